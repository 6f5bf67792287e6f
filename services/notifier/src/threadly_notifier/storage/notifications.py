"""Reading and marking notices; every function takes the person whose they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_, update

from threadly_chassis.db import ReadSession, WriteSession

from .tables import NotificationRow


async def newest(
    session: ReadSession, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[NotificationRow]:
    """A user's notices, newest first, from after the row that `before` names."""
    query = select(NotificationRow).where(NotificationRow.user_id == user_id)
    if before:
        query = query.where(tuple_(NotificationRow.created_at, NotificationRow.id) < before)
    query = query.order_by(NotificationRow.created_at.desc(), NotificationRow.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def unread(session: ReadSession, user_id: UUID) -> int:
    """How many of a user's notices were not read."""
    query = select(func.count()).where(NotificationRow.user_id == user_id, NotificationRow.read_at.is_(None))
    return await session.scalar(query) or 0


async def mark_read(session: WriteSession, user_id: UUID, now: datetime, only: UUID | None = None) -> int:
    """Mark one or all of a user's notices as read; returns how many there were, read before or not."""
    query = update(NotificationRow).where(NotificationRow.user_id == user_id)
    if only:
        query = query.where(NotificationRow.id == only)
    query = query.values(read_at=func.coalesce(NotificationRow.read_at, now))
    return len((await session.execute(query.returning(NotificationRow.id))).all())
