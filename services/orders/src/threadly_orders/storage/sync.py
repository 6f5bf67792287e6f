"""What came from Stripe: the events, which of them are processed, and how far the poll has looked."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.provider import ProviderEvent
from .tables import StripeEvent

SERVICE = "stripe"

_PROCESSED = text("""
    insert into sync_event (service, event_id, event_type) values (:service, :event_id, :event_type)
    on conflict do nothing
""")
_WATERMARK = text("select last_sync_at from sync_watermark where service = :service")
_ADVANCE = text("""
    insert into sync_watermark (service, last_sync_at) values (:service, :moment)
    on conflict (service) do update
    set last_sync_at = greatest(sync_watermark.last_sync_at, excluded.last_sync_at)
""")
_NOT_PROCESSED = (
    select(StripeEvent.id)
    .where(
        text("not exists (select from sync_event where service = 'stripe' and event_id = stripe_event.id)")
    )
    .order_by(StripeEvent.received_at)
    .limit(100)
)


async def keep(session: WriteSession, event: ProviderEvent, *, source: str, now: datetime) -> bool:
    """Keep an event as it came; False when it was kept before (E016)."""
    statement = (
        insert(StripeEvent)
        .values(
            id=event.id,
            type=event.type,
            source=source,
            body=event.body,
            created_at=event.created,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(StripeEvent.id)
    )
    return (await session.execute(statement)).first() is not None


async def mark_processed(session: WriteSession, event_id: str, event_type: str) -> None:
    """Record in the transaction that applied it that an event is processed (R-SYNC-02)."""
    values = {"service": SERVICE, "event_id": event_id, "event_type": event_type}
    await session.execute(_PROCESSED, values)


async def not_processed(session: ReadSession, received_before: datetime) -> Sequence[str]:
    """Events kept before a moment that nothing has been made of yet."""
    return (await session.scalars(_NOT_PROCESSED.where(StripeEvent.received_at < received_before))).all()


async def watermark(session: ReadSession) -> datetime | None:
    """Up to when the poll has seen Stripe's events, by Stripe's clock; None before the first poll."""
    moment: datetime | None = await session.scalar(_WATERMARK, {"service": SERVICE})
    return moment


async def advance(session: WriteSession, moment: datetime) -> None:
    """Move the watermark forward; never back."""
    await session.execute(_ADVANCE, {"service": SERVICE, "moment": moment})
