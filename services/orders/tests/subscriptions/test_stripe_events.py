import itertools
from datetime import timedelta
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import somebody
from threadly_orders.gateways.payments import PaymentsUnavailable

pytestmark = pytest.mark.integration

SUCCESS = "payment_intent.succeeded"
FAILURE = "payment_intent.payment_failed"


async def test_a_decline_is_announced_once_a_try(shop: Any) -> None:
    """R-ORD-13; the same message twice is one PaymentFailed, a second try is a second one."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout, "pm_card_chargeDeclined")
    await shop.hears(FAILURE)
    for envelope, event in await shop.post.published():
        await shop.post.deliver(envelope.model_copy(update={"event_id": checkout["id"]}), event)
    assert (await shop.post.types()).count("payment_failed") == 1
    await shop.pay(checkout, "pm_card_chargeDeclinedExpiredCard")
    await shop.hears(FAILURE)
    first, second = await shop.post.payloads("payment_failed")
    assert first["code"] == "generic_decline"
    assert second["code"] == "expired_card"
    assert "expired" in second["message"]
    assert await shop.count("orders") == 0


async def test_any_order_of_arrival_comes_to_the_same(shop: Any) -> None:
    """E019, E020: a failure, then a success, told in every order."""
    for order in itertools.permutations(range(3)):
        checkout = await shop.started((await shop.listed()).product_id)
        intent_id = checkout["client_secret"].partition("_secret_")[0]
        await shop.pay(checkout, "pm_card_chargeDeclined")
        await shop.pay(checkout)
        events = [
            event
            for event in await shop.events("payment_intent.created", FAILURE, SUCCESS)
            if event["data"]["object"]["id"] == intent_id
        ]
        assert len(events) == 3
        for place in order:
            await shop.webhook(events[place])
        await shop.post.run()
        assert await shop.status(checkout) == "COMPLETED", order
    assert await shop.count("orders") == 6
    assert await shop.refunds() == []


async def test_the_webhook_may_come_before_our_own_answer(shop: Any) -> None:
    """E017: the intent is matched by the checkout's id in its metadata."""
    checkout = await shop.started((await shop.listed()).product_id)
    async with shop.deps.db.transaction() as tx:
        from sqlalchemy import text  # noqa: PLC0415 - what the crash would have left

        await tx.session.execute(text("update checkout set payment_intent_id = null"))
    await shop.pay(checkout)
    await shop.hears(SUCCESS)
    assert await shop.status(checkout) == "COMPLETED"


async def test_a_crash_before_the_mark_repeats_without_a_second_effect(shop: Any) -> None:
    """The effect consumer is at least once: its work is done again with another message id."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    await shop.hears(SUCCESS)
    for number, (envelope, event) in enumerate(await shop.post.published()):
        again = envelope.model_copy(update={"event_id": type(envelope.event_id)(int=number + 1)})
        await shop.post.deliver(again, event)
    assert await shop.count("orders") == 1
    assert (await shop.post.types()).count("order_confirmed") == 1


async def test_without_stripe_the_message_waits(shop: Any) -> None:
    """R-SYS-10: the handler raises, nothing is marked, and the next try does the work."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    [event] = await shop.events(SUCCESS)
    await shop.webhook(event)
    shop.breaks()
    with pytest.raises(PaymentsUnavailable):
        await shop.post.run()
    assert await shop.count("sync_event") == 0
    shop.breaks(times=0)
    shop.post.seen = 0
    await shop.post.run()
    assert await shop.status(checkout) == "COMPLETED"


async def test_another_amount_is_given_back(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """E026: not confirmed, operators alerted, refunded in full; the item is free."""
    alerts: list[BaseException] = []
    monkeypatch.setattr(
        "threadly_orders.use_cases.follow_intent.capture", lambda error, **_: alerts.append(error)
    )
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    await shop.stripe.v1.payment_intents.update_async(intent_id, {"amount": 100})
    await shop.pay(checkout)
    await shop.hears(SUCCESS)
    assert await shop.status(checkout) == "REJECTED"
    assert await shop.count("orders") == 0
    assert [refund.amount for refund in await shop.refunds()] == [100]
    assert len(alerts) == 1
    facts = await shop.post.types()
    assert facts.count("checkout_ended") == facts.count("sale_rejected") == 1
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201


async def test_a_late_payment_buys_an_item_that_is_still_free(shop: Any, quarter_hour: timedelta) -> None:
    """Architecture §5.5: confirm if the product is still free."""
    product = await shop.listed()
    checkout = await _late(shop, product, quarter_hour)
    # Catalog has not heard of the end yet: the copy still shows the echo of this very checkout.
    await shop.listed(product_id=product.product_id, version=2, status="RESERVED")
    await shop.hears(SUCCESS)
    assert await shop.status(checkout) == "COMPLETED"
    assert await shop.refunds() == []


@pytest.mark.parametrize("meanwhile", ["held", "sold", "withdrawn", "repriced"])
async def test_a_late_payment_for_an_item_that_is_gone_goes_back_once(
    shop: Any, quarter_hour: timedelta, meanwhile: str
) -> None:
    """E022: full refund, once; the buyer is told; Stripe is asked with a key of the checkout's."""
    product = await shop.listed()
    rival = somebody()
    checkout = await _late(shop, product, quarter_hour)
    if meanwhile in {"held", "sold"}:
        other = await shop.started(product.product_id, buyer=rival)
        if meanwhile == "sold":
            await shop.pay(other)
            assert (await shop.act(other["id"], "confirm", who=rival)).json()["status"] == "COMPLETED"
    elif meanwhile == "withdrawn":
        await shop.withdrawn(product)
    else:
        await shop.repriced(product, 9900)
    for _ in range(2):
        for event in await shop.events(SUCCESS):
            await shop.webhook(event)
        shop.post.seen = 0
        await shop.post.run()
    await shop.hears("refund.created")
    for envelope, event in await shop.post.published():
        await shop.post.deliver(envelope.model_copy(update={"event_id": new_id()}), event)
    answer = (await shop.get(f"/v1/checkouts/{checkout['id']}")).json()
    assert answer["status"] == "REJECTED"
    assert "Your money goes back in full" in answer["reason"]
    assert [refund.amount for refund in await shop.refunds()] == [2550]
    [rejected] = await shop.post.payloads("sale_rejected")
    assert rejected["buyer_id"] == str(shop.buyer.user_id)
    assert rejected["amount"] == {"amount_minor": 2550, "currency": "EUR"}
    assert await shop.count("orders") == (1 if meanwhile == "sold" else 0)


async def _late(shop: Any, product: Any, quarter_hour: timedelta) -> dict[str, Any]:
    """A checkout that was paid and whose end nobody at Stripe heard of: the lost cancellation."""
    from sqlalchemy import text  # noqa: PLC0415 - what an operator's hand or a lost write would leave

    checkout: dict[str, Any] = await shop.started(product.product_id)
    await shop.pay(checkout)
    shop.clock.move(quarter_hour)
    async with shop.deps.db.transaction() as tx:
        await tx.session.execute(
            text("update checkout set status = 'EXPIRED', ending = 'EXPIRED', ended_at = expires_at")
        )
    return checkout


async def test_a_refund_that_bounces_is_reported(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-ORD-15: money that could not be given back is an operator's business."""
    alerts: list[BaseException] = []
    monkeypatch.setattr(
        "threadly_orders.use_cases.give_money_back.capture", lambda error, **_: alerts.append(error)
    )
    checkout = await shop.started((await shop.listed()).product_id)
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    await shop.stripe.v1.payment_intents.update_async(intent_id, {"amount": 100})
    await shop.pay(checkout, "pm_card_refundFail")
    await shop.hears(SUCCESS)
    from threadly_chassis.testing import eventually  # noqa: PLC0415

    await eventually(lambda: _refund_failed(shop), describe="the sandbox's bank to send the money back")
    await shop.hears("refund.created", "refund.updated", "refund.failed")
    await shop.hears("refund.failed")
    [row] = await shop.rows("select status, refund_status from payment")
    assert tuple(row) == ("COMPLETED", "failed")
    assert len(alerts) == 1


async def _refund_failed(shop: Any) -> bool:
    return any(refund.status == "failed" for refund in await shop.refunds())
