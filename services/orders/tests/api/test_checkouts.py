import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from threadly_chassis.testing.identity import somebody

pytestmark = pytest.mark.integration


async def test_a_checkout_holds_the_item_and_can_be_paid(shop: Any) -> None:
    """R-ORD-01, R-ORD-02, R-ORD-03, CO-04 to CO-07."""
    product = await shop.listed()
    answer = await shop.start(product.product_id, expected_price="25.50")
    assert answer.status_code == 201
    checkout = answer.json()
    assert checkout["status"] == "OPEN"
    assert checkout["amount"] == {"amount_minor": 2550, "currency": "EUR", "formatted": "25.50 EUR"}
    assert checkout["publishable_key"] == "pk_test_sandbox"
    assert answer.headers["cache-control"] == "no-store"
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    intent = await shop.stripe.v1.payment_intents.retrieve_async(intent_id)
    assert (intent.amount, intent.currency) == (2550, "eur")
    assert intent.metadata.to_dict() == {
        "checkout_id": checkout["id"],
        "product_id": str(product.product_id),
        "buyer_id": str(shop.buyer.user_id),
    }
    [started] = await shop.post.payloads("checkout_started")
    assert started["checkout_id"] == checkout["id"]
    assert started["product_version"] == 1


async def test_the_client_secret_is_kept_nowhere(shop: Any) -> None:
    """CO-07: returned, never stored in the database or an event."""
    checkout = await shop.started((await shop.listed()).product_id)
    tables = await shop.rows(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    for (table,) in tables:
        for row in await shop.rows(f"select x::text from {table} x"):  # noqa: S608 - names from the catalogue
            assert checkout["client_secret"] not in row[0]


async def test_without_identity_nothing_is_held(shop: Any) -> None:
    """R-ORD-01."""
    product = await shop.listed()
    answer = await shop.client.post("/v1/checkouts", json={"product_id": str(product.product_id)})
    assert answer.status_code == 401
    assert await shop.count("checkout") == 0


async def test_the_key_is_required(shop: Any) -> None:
    product = await shop.listed()
    headers = shop.identity.headers(shop.buyer)
    body = {"product_id": str(product.product_id)}
    answer = await shop.client.post("/v1/checkouts", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_required")


async def test_unknown_fields_are_refused(shop: Any) -> None:
    """E014: a client cannot send amount, fee, seller or status."""
    product = await shop.listed()
    for field in ("amount", "fee", "seller_id", "status"):
        answer = await shop.start(product.product_id, **{field: 1})
        assert answer.status_code == 422, field
    assert await shop.count("checkout") == 0


async def test_a_double_click_gets_the_same_checkout(shop: Any) -> None:
    """E004: same key, and another key from a second tab; one intent."""
    product = await shop.listed()
    answers = await asyncio.gather(
        shop.start(product.product_id, key="k"),
        shop.start(product.product_id, key="k"),
        shop.start(product.product_id, key="another tab"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.json()["client_secret"] for answer in answers}) == 1
    assert len((await shop.stripe.v1.payment_intents.list_async()).data) == 1
    assert await shop.post.types() == ["checkout_started"]


async def test_a_key_belongs_to_its_body(shop: Any) -> None:
    """E005."""
    first, second = await shop.listed(), await shop.listed()
    assert (await shop.start(first.product_id, key="k")).status_code == 201
    answer = await shop.start(second.product_id, key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert (await shop.start(first.product_id, key="k", expected_price="25.50")).status_code == 422
    other_persons_key = await shop.start(second.product_id, key="k", buyer=somebody())
    assert other_persons_key.status_code == 201


async def test_the_loser_learns_when_to_try_again(shop: Any) -> None:
    """E001: 409 item_reserved with the time, and no intent for the loser."""
    product = await shop.listed()
    winner = await shop.started(product.product_id)
    shop.clock.move(timedelta(minutes=5))
    answer = await shop.start(product.product_id, buyer=somebody())
    assert (answer.status_code, answer.json()["code"]) == (409, "item_reserved")
    assert answer.json()["available_again_at"][:19] == winner["expires_at"][:19]
    assert answer.headers["retry-after"] == "600"
    assert len((await shop.stripe.v1.payment_intents.list_async()).data) == 1


async def test_one_cannot_buy_from_oneself(shop: Any) -> None:
    """E007."""
    product = await shop.listed()
    answer = await shop.start(product.product_id, buyer=shop.seller)
    assert (answer.status_code, answer.json()["code"]) == (409, "own_item")


async def test_items_that_are_not_for_sale(shop: Any) -> None:
    """R-ORD-02."""
    answer = await shop.start(uuid4())
    assert (answer.status_code, answer.json()["code"]) == (409, "item_unavailable")
    product = await shop.listed()
    await shop.withdrawn(product)
    answer = await shop.start(product.product_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "item_unavailable")
    sold = await shop.listed(status="SOLD")
    answer = await shop.start(sold.product_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "item_sold")


@pytest.mark.parametrize("expected", ["25.00", 25, 25.49])
async def test_another_price_than_shown_is_refused(shop: Any, expected: object) -> None:
    product = await shop.listed()
    answer = await shop.start(product.product_id, expected_price=expected)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")
    assert answer.json()["current_price"] == {
        "amount_minor": 2550,
        "currency": "EUR",
        "formatted": "25.50 EUR",
    }


async def test_a_price_that_is_no_price(shop: Any) -> None:
    """E049."""
    product = await shop.listed()
    for price in ("10,00", "1e3", "-0", "NaN", " 10 "):
        answer = await shop.start(product.product_id, expected_price=price)
        assert (answer.status_code, answer.json()["code"]) == (422, "price_malformed"), price


async def test_a_price_stripe_cannot_charge(shop: Any) -> None:
    """E047: refused before anything is held."""
    product = await shop.listed(price=1234, currency="KWD")
    answer = await shop.start(product.product_id)
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_not_chargeable")
    assert await shop.count("checkout") == 0


async def test_stripe_away_lets_the_item_go(shop: Any) -> None:
    """E034: 503, the reservation released, and the same key may try again."""
    product = await shop.listed()
    shop.breaks()
    answer = await shop.start(product.product_id, key="k")
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert await shop.post.types() == ["checkout_started", "checkout_ended"]
    shop.breaks(times=0)
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201


async def test_the_same_key_may_try_again_after_stripe_was_away(shop: Any) -> None:
    """E034."""
    product = await shop.listed()
    shop.breaks()
    assert (await shop.start(product.product_id, key="k")).status_code == 503
    shop.breaks(times=0)
    answer = await shop.start(product.product_id, key="k")
    assert (answer.status_code, answer.json()["status"]) == (201, "OPEN")
    assert answer.json()["client_secret"]


async def test_a_lost_answer_of_stripe_makes_no_second_intent(shop: Any) -> None:
    """Providers §2: the SDK's retry carries the same key."""
    product = await shop.listed()
    shop.breaks(times=1, executed=True, path="/v1/payment_intents")
    assert (await shop.start(product.product_id)).status_code == 201
    assert len((await shop.stripe.v1.payment_intents.list_async()).data) == 1


async def test_a_checkout_is_its_buyers_business(shop: Any) -> None:
    """404, not 403: strangers and the seller do not learn that it exists."""
    checkout = await shop.started((await shop.listed()).product_id)
    path = f"/v1/checkouts/{checkout['id']}"
    assert (await shop.get(path)).json()["status"] == "OPEN"
    assert "client_secret" not in (await shop.get(path)).json()
    for who in (somebody(), shop.seller):
        assert (await shop.get(path, who=who)).status_code == 404
        assert (await shop.act(checkout["id"], "confirm", who=who)).status_code == 404
        assert (await shop.act(checkout["id"], "cancel", who=who)).status_code == 404


async def test_confirming_shows_the_result_without_a_webhook(shop: Any) -> None:
    """R-ORD-14, R-ORD-12, EX-03 to EX-05."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    answer = await shop.act(checkout["id"], "confirm")
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")
    order = (await shop.get(f"/v1/orders/{answer.json()['order_id']}")).json()
    assert (order["status"], order["payment"]["status"]) == ("CONFIRMED", "COMPLETED")
    await shop.hears()
    assert (await shop.post.types()).count("order_confirmed") == 1


async def test_confirming_before_paying(shop: Any) -> None:
    """CO-24."""
    checkout = await shop.started((await shop.listed()).product_id)
    answer = await shop.act(checkout["id"], "confirm")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_not_confirmed")
    assert answer.json()["title"] == "Payment not confirmed"


async def test_a_declined_card_is_told_in_human_words_and_another_may_be_tried(shop: Any) -> None:
    """R-ORD-13, CO-22, CO-23."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await shop.pay(checkout, "pm_card_chargeDeclinedInsufficientFunds")
    answer = (await shop.act(checkout["id"], "confirm")).json()
    assert answer["status"] == "PAYMENT_FAILED"
    assert "not enough money" in answer["reason"]
    assert (await shop.start(product.product_id, buyer=somebody())).json()["code"] == "item_reserved"
    again = (await shop.start(product.product_id)).json()
    assert again["id"] == checkout["id"]
    await shop.pay(again)
    assert (await shop.act(checkout["id"], "confirm")).json()["status"] == "COMPLETED"


async def test_cancelling_frees_the_item(shop: Any) -> None:
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    answer = await shop.act(checkout["id"], "cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert (await shop.act(checkout["id"], "cancel")).json()["status"] == "CANCELLED"
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    assert (await shop.stripe.v1.payment_intents.retrieve_async(intent_id)).status == "canceled"
    [ended] = await shop.post.payloads("checkout_ended")
    assert ended["reason"] == "CANCELLED"
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201


async def test_a_payment_that_was_faster_than_the_cancellation_stands(shop: Any) -> None:
    """E032."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    answer = await shop.act(checkout["id"], "cancel")
    assert answer.json()["status"] == "COMPLETED"
    assert answer.json()["order_id"]
    again = await shop.act(checkout["id"], "cancel")
    assert (again.status_code, again.json()["code"]) == (409, "checkout_completed")


async def test_a_sold_item_stays_sold_while_catalog_sleeps(shop: Any) -> None:
    """E037: the copy still says AVAILABLE; orders' own index does not."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await shop.pay(checkout)
    await shop.act(checkout["id"], "confirm")
    answer = await shop.start(product.product_id, buyer=somebody())
    assert (answer.status_code, answer.json()["code"]) == (409, "item_sold")


async def test_the_echo_of_ones_own_reservation_does_not_lock_one_out(shop: Any) -> None:
    """The copy's RESERVED is not read as unavailable: neither by the holder, nor once the hold is over."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await shop.listed(product_id=product.product_id, version=2, status="RESERVED")
    assert (await shop.start(product.product_id)).json()["id"] == checkout["id"]
    await shop.act(checkout["id"], "cancel")
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201
