"""Dead letters about payments are rehearsed, and Stripe hears nothing (F42)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.rehearsal import RehearsalOutcome, WouldCall
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.rehearsals import letter_of, rehearsed
from threadly_contracts import Event
from threadly_contracts.orders import OrderConfirmed
from threadly_orders.domain.messages import IntentAbandoned, RefundOwed, StripeEventReceived
from threadly_orders.subscriptions import SUBSCRIPTIONS

pytestmark = pytest.mark.integration

#: Would-be calls that are counted by the sandbox, if they come.
_COUNTED = 99


def _received(intent: str, kind: str) -> StripeEventReceived:
    return StripeEventReceived(
        stripe_event_id=f"evt_{new_id().hex}",
        event_type=kind,
        object_id=intent,
        payment_intent_id=intent,
        created_at=datetime.now(UTC),
    )


async def test_what_follows_from_stripes_answer_is_not_guessed(shop: Any) -> None:
    """Cancelling, refunding and asking end the rehearsal: what follows depends on what Stripe says."""
    checkout = await shop.started((await shop.listed()).product_id)
    intent = checkout["client_secret"].partition("_secret_")[0]
    refund = RefundOwed(payment_id=new_id(), checkout_id=new_id(), payment_intent_id=intent)
    expected: list[tuple[str, Event, str]] = [
        ("orders.stripe-events", _received(intent, "payment_intent.succeeded"), "retrieve_intent"),
        (
            "orders.stripe-commands",
            IntentAbandoned(payment_intent_id=intent, checkout_id=new_id()),
            "cancel_intent",
        ),
        ("orders.stripe-commands", refund, "refund_intent"),
    ]
    before = await digest(shop.deps.db)
    shop.breaks(times=_COUNTED)
    for consumer, event, method in expected:
        said = await rehearsed(consumer, letter_of(event), shop.deps, SUBSCRIPTIONS)
        assert said.outcome is RehearsalOutcome.UNFINISHED
        [call] = said.calls
        assert (call.port, call.method) == ("payments", method)
        assert call.arguments.startswith(intent)
    assert shop.faults.plan.times == _COUNTED
    assert await digest(shop.deps.db) == before


async def test_an_event_that_concerns_nobody_is_only_ticked_off(shop: Any) -> None:
    said = await rehearsed(
        "orders.stripe-events", letter_of(_received("cus_1", "customer.created")), shop.deps, SUBSCRIPTIONS
    )
    assert (said.outcome, said.calls) == (RehearsalOutcome.WOULD_APPLY, ())
    assert [rows.table for rows in said.rows] == ["sync_event"]


async def test_a_cache_is_left_alone(shop: Any) -> None:
    order = OrderConfirmed.model_validate(
        {
            "order_id": new_id(),
            "checkout_id": new_id(),
            "product_id": new_id(),
            "product_title": "Dress",
            "buyer_id": new_id(),
            "seller_id": new_id(),
            "amount": {"amount_minor": 1, "currency": "EUR"},
            "stripe_payment_intent_id": "pi_1",
            "confirmed_at": datetime.now(UTC),
        }
    )
    said = await rehearsed("orders.cache-invalidator", letter_of(order), shop.deps, SUBSCRIPTIONS)
    tags = f"orders:user:{order.buyer_id}, orders:user:{order.seller_id}"
    assert said.calls == (WouldCall(port="cache", method="invalidate_tags", arguments=tags),)
    assert said.outcome is RehearsalOutcome.WOULD_APPLY
