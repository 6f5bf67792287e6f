import asyncio
from datetime import timedelta
from typing import Any

import pytest
import stripe
from sqlalchemy import text

from threadly_chassis.observability.metrics import DOMAIN_EVENTS
from threadly_chassis.testing.identity import somebody
from threadly_orders.schedules import schedules
from threadly_orders.use_cases.check_promises import broken_promises, check_promises
from threadly_orders.use_cases.expire_checkouts import expire_checkouts
from threadly_orders.use_cases.poll_stripe import poll_stripe
from threadly_orders.use_cases.reconcile_payments import reconcile_payments
from threadly_orders.use_cases.sweep_checkouts import sweep_checkouts

pytestmark = pytest.mark.integration


async def _forget_intent(shop: Any) -> None:
    """What a crash between the PaymentIntent and its storing leaves behind."""
    async with shop.deps.db.transaction() as tx:
        await tx.session.execute(text("update checkout set payment_intent_id = null"))


async def test_an_unpaid_checkout_expires_and_frees_the_item(shop: Any, quarter_hour: timedelta) -> None:
    """E031, architecture §5.5."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    shop.clock.move(quarter_hour - timedelta(seconds=1))
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "OPEN"
    shop.clock.move(timedelta(seconds=1))
    await expire_checkouts(shop.deps)
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "EXPIRED"
    [ended] = await shop.post.payloads("checkout_ended")
    assert ended["reason"] == "EXPIRED"
    with pytest.raises(stripe.InvalidRequestError, match="canceled"):
        await shop.pay(checkout)
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201


async def test_a_challenge_never_answered_expires(shop: Any, quarter_hour: timedelta) -> None:
    """E031: requires_action."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout, "pm_card_threeDSecure2Required")
    shop.clock.move(quarter_hour)
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "EXPIRED"


async def test_expiry_that_meets_a_payment_is_a_success(shop: Any, quarter_hour: timedelta) -> None:
    """E032."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    shop.clock.move(quarter_hour)
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "COMPLETED"


async def test_expiry_waits_for_stripe(shop: Any, quarter_hour: timedelta) -> None:
    """R-SYS-10: an item is not freed while its payment may still succeed."""
    checkout = await shop.started((await shop.listed()).product_id)
    shop.clock.move(quarter_hour)
    shop.breaks()
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "OPEN"
    shop.breaks(times=0)
    await expire_checkouts(shop.deps)
    assert await shop.status(checkout) == "EXPIRED"


async def test_a_cancellation_at_stripe_ends_the_checkout(shop: Any) -> None:
    """Somebody pressed the button in Stripe's dashboard."""
    checkout = await shop.started((await shop.listed()).product_id)
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    await shop.stripe.v1.payment_intents.cancel_async(intent_id)
    await shop.hears("payment_intent.canceled")
    assert await shop.status(checkout) == "CANCELLED"


async def test_the_news_of_our_own_cancellation_changes_nothing(shop: Any, quarter_hour: timedelta) -> None:
    """E019: late ones are ignored; an ended checkout ends once, whatever Stripe still says about it."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout, "pm_card_chargeDeclined")
    shop.clock.move(quarter_hour)
    await expire_checkouts(shop.deps)
    await shop.hears("payment_intent.payment_failed", "payment_intent.canceled")
    assert await shop.status(checkout) == "EXPIRED"
    facts = await shop.post.types()
    assert facts.count("checkout_ended") == 1
    assert facts.count("payment_failed") == 0


async def test_the_sweeper_finishes_what_a_crash_left(shop: Any) -> None:
    """E035: the same key finds the intent that was made before."""
    product = await shop.listed()
    checkout = await shop.started(product.product_id)
    await _forget_intent(shop)
    await sweep_checkouts(shop.deps)
    assert await shop.rows("select 1 from checkout where payment_intent_id is null")
    shop.clock.move(timedelta(minutes=1, seconds=1))
    await sweep_checkouts(shop.deps)
    assert not await shop.rows("select 1 from checkout where payment_intent_id is null")
    assert len((await shop.stripe.v1.payment_intents.list_async()).data) == 1
    assert (await shop.start(product.product_id)).json()["client_secret"] == checkout["client_secret"]


async def test_the_sweeper_lets_go_when_there_is_no_stripe(shop: Any) -> None:
    """E035: or releases."""
    product = await shop.listed()
    await shop.started(product.product_id)
    await _forget_intent(shop)
    shop.clock.move(timedelta(minutes=2))
    shop.breaks()
    await sweep_checkouts(shop.deps)
    shop.breaks(times=0)
    assert (await shop.post.types())[-1] == "checkout_ended"
    assert (await shop.start(product.product_id, buyer=somebody())).status_code == 201


async def test_the_poll_finds_what_no_webhook_brought(shop: Any) -> None:
    """E023, R-SYNC-03, EX-13: same inbox, same handler; a webhook that comes after all changes nothing."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    await poll_stripe(shop.deps)
    await poll_stripe(shop.deps)
    await shop.post.run()
    assert await shop.status(checkout) == "COMPLETED"
    await shop.hears("payment_intent.succeeded")
    assert await shop.count("stripe_event") == 1
    assert (await shop.post.types()).count("order_confirmed") == 1
    [event] = await shop.events("payment_intent.succeeded")
    [(watermark,)] = await shop.rows("select extract(epoch from last_sync_at)::bigint from sync_watermark")
    assert watermark == event["created"]


async def test_the_poll_pages_through_everything(shop: Any) -> None:
    """More than one page of a hundred, and the watermark only moves when all of it is kept."""
    checkout = await shop.started((await shop.listed()).product_id)
    for _ in range(101):
        await shop.pay(checkout, "pm_card_chargeDeclined")
    shop.breaks(times=3, path="/v1/events")
    with pytest.raises(Exception, match="busy"):
        await poll_stripe(shop.deps)
    assert await shop.count("sync_watermark") == 0
    await poll_stripe(shop.deps)
    assert await shop.count("stripe_event") == 101


async def test_reconciling_settles_a_capture_that_nobody_heard_of(shop: Any) -> None:
    """Architecture §5.6: every pair that does not match is found, mended and counted, once."""
    counter = DOMAIN_EVENTS.labels("capture_found_by_reconciler")
    before = counter._value.get()
    checkout = await shop.started((await shop.listed()).product_id)
    await reconcile_payments(shop.deps)
    await shop.pay(checkout)
    await reconcile_payments(shop.deps)
    await reconcile_payments(shop.deps)
    assert await shop.status(checkout) == "COMPLETED"
    assert counter._value.get() == before + 1


async def test_broken_promises_are_named(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-ORD-15: logs, metric and Sentry; nothing is reported while all is well."""
    reported: list[str] = []
    monkeypatch.setattr(
        "threadly_orders.use_cases.check_promises.capture", lambda error, **_: reported.append(str(error))
    )
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout, "pm_card_chargeDeclined")
    [event] = await shop.events("payment_intent.payment_failed")
    await shop.webhook(event)
    await check_promises(shop.deps)
    assert reported == []
    shop.clock.move(timedelta(minutes=21))
    broken = await broken_promises(shop.deps, before=shop.clock.now() - timedelta(minutes=5))
    assert broken == {"held_past_its_time": [checkout["id"]], "event_without_effect": [event["id"]]}
    await check_promises(shop.deps)
    assert [text.partition(":")[0] for text in reported] == ["held_past_its_time", "event_without_effect"]


async def test_money_without_order_or_refund_is_named(shop: Any) -> None:
    """A refund that Stripe was never asked for shows up."""
    checkout = await shop.started((await shop.listed()).product_id)
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    await shop.stripe.v1.payment_intents.update_async(intent_id, {"amount": 100})
    await shop.pay(checkout)
    await shop.act(checkout["id"], "confirm")
    late = shop.clock.now() + timedelta(minutes=1)
    assert await broken_promises(shop.deps, before=late) == {"money_without_counterpart": [intent_id]}
    await shop.post.run()
    assert await broken_promises(shop.deps, before=late) == {}


async def test_every_schedule_may_run_twice_at_once(shop: Any, quarter_hour: timedelta) -> None:
    """A runner that outlives its lease meets a second one (chassis, schedules)."""
    product = await shop.listed()
    await shop.started(product.product_id)
    shop.clock.move(quarter_hour)
    for entry in schedules(shop.deps.settings):
        await asyncio.gather(entry.function(shop.deps), entry.function(shop.deps))
    assert (await shop.post.types()).count("checkout_ended") == 1
