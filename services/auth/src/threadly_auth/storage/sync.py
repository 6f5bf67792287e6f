"""What Clerk has told us already (R-SYNC-02, R-SYNC-03), in the chassis' tables."""

from datetime import datetime

from sqlalchemy import text

from threadly_chassis.db import ReadSession, WriteSession

SERVICE = "clerk"

_REMEMBER = text("""
    insert into sync_event (service, event_id, event_type) values (:service, :event_id, :event_type)
    on conflict do nothing returning event_id
""")
_WATERMARK = text("select last_sync_at from sync_watermark where service = :service")
_ADVANCE = text("""
    insert into sync_watermark (service, last_sync_at) values (:service, :moment)
    on conflict (service) do update
    set last_sync_at = greatest(sync_watermark.last_sync_at, excluded.last_sync_at)
""")


async def remember(session: WriteSession, event_id: str, event_type: str) -> bool:
    """Record a provider's event; False when it was recorded before."""
    parameters = {"service": SERVICE, "event_id": event_id, "event_type": event_type}
    return (await session.execute(_REMEMBER, parameters)).first() is not None


async def watermark(session: ReadSession) -> datetime | None:
    """Up to when Clerk was asked; None before the first time."""
    moment: datetime | None = await session.scalar(_WATERMARK, {"service": SERVICE})
    return moment


async def advance(session: WriteSession, moment: datetime) -> None:
    """Move the watermark forward; never back."""
    await session.execute(_ADVANCE, {"service": SERVICE, "moment": moment})
