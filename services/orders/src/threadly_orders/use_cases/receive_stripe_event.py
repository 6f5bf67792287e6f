"""Keep one of Stripe's events and leave a message to ourselves: webhook and poll share this inbox."""

from datetime import datetime

from threadly_chassis.db import Transaction
from threadly_chassis.observability.logging import get_logger

from ..domain.messages import StripeEventReceived
from ..domain.provider import ProviderEvent
from ..storage import sync

_log = get_logger(__name__)


async def receive_stripe_event(event: ProviderEvent, *, source: str, tx: Transaction, now: datetime) -> bool:
    """Keep the event and announce it, both once; False when it was here before (E016, R-ORD-15)."""
    is_new = await sync.keep(tx.session, event, source=source, now=now)
    if is_new:
        received = StripeEventReceived(
            stripe_event_id=event.id,
            event_type=event.type,
            object_id=event.object_id,
            payment_intent_id=event.payment_intent_id,
            created_at=event.created,
        )
        await tx.publish(received, version=1)
    _log.info(
        "stripe event received",
        type=event.type,
        stripe_event=event.id,
        age_seconds=round((now - event.created).total_seconds(), 3),
        source=source,
        duplicate=not is_new,
    )
    return is_new
