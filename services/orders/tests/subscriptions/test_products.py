from datetime import UTC, datetime
from typing import Any

import pytest

from threadly_chassis.testing.handlers import run_handler
from threadly_chassis.testing.identity import somebody
from threadly_contracts.auth import UserUpdated

pytestmark = pytest.mark.integration


async def _copy(shop: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await shop.rows("select version, status, amount_minor from product")]


async def test_the_copy_follows_the_newest_version(shop: Any) -> None:
    """E011: lowered then raised within a second, events reordered: the last version wins."""
    product = await shop.listed()
    await shop.repriced(product, 3000, version=3)
    await shop.repriced(product, 1000, version=2)
    await shop.repriced(product, 3000, version=3)
    assert await _copy(shop) == [(3, "AVAILABLE", 3000)]


async def test_a_rebuild_that_goes_round_the_gate_is_held_back_by_the_copy_itself(shop: Any) -> None:
    """An older event applied outside the inbox changes nothing."""
    from threadly_orders.storage import products  # noqa: PLC0415 - the function under test

    product = await shop.listed(version=5)
    async with shop.deps.db.transaction() as tx:
        assert not await products.store(tx.session, product.model_copy(update={"version": 4}))
        assert not await products.store(tx.session, product)
    assert await _copy(shop) == [(5, "AVAILABLE", 2550)]


async def test_a_state_that_catalog_does_not_know_any_more_is_overruled(shop: Any) -> None:
    """F29: catalog was set back and has given the version, or a lower one, to something else."""
    from threadly_orders.use_cases.track_products import track_product  # noqa: PLC0415 - the one under test

    product = await shop.listed(version=5)
    for version in (5, 4):
        price = product.price.model_copy(update={"amount_minor": 1000 + version})
        true = product.model_copy(update={"version": version, "price": price})
        await run_handler(track_product, true, shop.deps, overrules=True)
        assert await _copy(shop) == [(version, "AVAILABLE", 1000 + version)]


@pytest.mark.parametrize("change", ["withdrawn", "repriced"])
async def test_a_changed_item_ends_its_checkout(shop: Any, change: str) -> None:
    """E010, architecture §5.2: PRODUCT_GONE; the intent is cancelled, so nothing else is ever charged."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    for _ in range(2):
        await (shop.withdrawn(product) if change == "withdrawn" else shop.repriced(product, 9900))
    await shop.post.run()
    [ended] = await shop.post.payloads("checkout_ended")
    assert ended["reason"] == "PRODUCT_GONE"
    answer = (await shop.get(f"/v1/checkouts/{checkout['id']}")).json()
    assert answer["status"] == "CANCELLED"
    assert "withdrew or changed" in answer["reason"]
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    assert (await shop.stripe.v1.payment_intents.retrieve_async(intent_id)).status == "canceled"
    assert "sale_rejected" not in await shop.post.types()


async def test_an_item_that_goes_while_stripe_is_asked_leaves_no_intent_to_pay(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Architecture §5.2: the checkout ends before its intent is known; it is cancelled all the same."""
    product = await shop.listed()
    create = shop.deps.payments.create_intent

    async def create_meanwhile_withdrawn(wanted: Any) -> Any:
        await shop.withdrawn(product)
        return await create(wanted)

    monkeypatch.setattr(shop.deps.payments, "create_intent", create_meanwhile_withdrawn)
    answer = (await shop.start(product.product_id)).json()
    assert (answer["status"], answer["client_secret"]) == ("CANCELLED", None)
    await shop.post.run()
    [intent] = (await shop.stripe.v1.payment_intents.list_async()).data
    assert intent.status == "canceled"


async def test_money_taken_for_a_withdrawn_item_goes_back(shop: Any) -> None:
    """Architecture §5.2: cancel or refund, and SaleRejected."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await shop.pay(checkout)
    await shop.withdrawn(product)
    await shop.post.run()
    assert await shop.status(checkout) == "REJECTED"
    assert [refund.amount for refund in await shop.refunds()] == [2550]
    assert (await shop.post.types()).count("sale_rejected") == 1


async def test_what_the_checkout_knew_already_does_not_end_it(shop: Any) -> None:
    """Its own echo, an older version, and a change that is not the price."""
    product = await shop.listed(version=3)
    checkout = await shop.started(product.product_id)
    await shop.listed(product_id=product.product_id, version=4, status="RESERVED")
    await shop.withdrawn(product, version=2)
    await shop.repriced(product, 2550, version=5)
    assert await shop.status(checkout) == "OPEN"


async def test_a_withdrawn_item_that_is_sold_already_stays_sold(shop: Any) -> None:
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await shop.pay(checkout)
    await shop.act(checkout["id"], "confirm")
    await shop.withdrawn(product)
    await shop.post.run()
    assert await shop.status(checkout) == "COMPLETED"
    assert await shop.refunds() == []


async def test_names_follow_the_newest_version(shop: Any) -> None:
    """`orders.people`: twice, and the older one after the newer one."""
    who = somebody()

    def renamed(name: str) -> UserUpdated:
        return UserUpdated(
            user_id=who.user_id,
            email="x@example.com",
            first_name=name,
            last_name=None,
            image_url=None,
            updated_at=datetime.now(UTC),
        )

    await shop.post.bring(renamed("New"), 2)
    await shop.post.bring(renamed("Old"), 1)
    await shop.post.bring(renamed("New"), 2)
    assert [row[0] for row in await shop.rows("select name from person")] == ["New"]
