"""Private messages: what orders tells its own worker to do outside the database, through the outbox."""

from datetime import datetime
from uuid import UUID

from threadly_contracts import Event


class StripeEventReceived(
    Event,
    type="threadly.orders.stripe_event_received.v1",
    aggregate="stripe_event",
    subject="stripe_event_id",
):
    """An event of Stripe's was kept and awaits its processing.

    Only ids: the object is fetched from Stripe when the message is handled, so neither the body's age nor the
    order of arrival matters (E019).
    """

    stripe_event_id: str
    event_type: str
    object_id: str
    payment_intent_id: str | None
    created_at: datetime


class IntentAbandoned(
    Event,
    type="threadly.orders.intent_abandoned.v1",
    aggregate="payment_intent",
    subject="payment_intent_id",
):
    """A checkout ended while its PaymentIntent could still be paid: cancel it at Stripe."""

    payment_intent_id: str
    checkout_id: UUID


class RefundOwed(Event, type="threadly.orders.refund_owed.v1", aggregate="payment", subject="payment_id"):
    """Captured money cannot become an order: give it back."""

    payment_id: UUID
    checkout_id: UUID
    payment_intent_id: str


PRIVATE_EVENTS: tuple[type[Event], ...] = (StripeEventReceived, IntentAbandoned, RefundOwed)
