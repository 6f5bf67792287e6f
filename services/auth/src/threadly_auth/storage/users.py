"""Reading and locking users."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Boolean, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_chassis.ids import new_id

from ..domain.profile import Profile
from .tables import UserRow

#: `last_active_at` is written at most this often a user (architecture §3).
ACTIVITY_STEP = timedelta(minutes=1)


async def find(session: ReadSession, user_id: UUID) -> UserRow | None:
    """The user with our id."""
    return await session.get(UserRow, user_id)


async def find_by_clerk_id(session: ReadSession, clerk_id: str) -> UserRow | None:
    """The user with Clerk's id; tombstones included."""
    return await session.scalar(select(UserRow).where(UserRow.clerk_id == clerk_id))


async def each_announced(session: ReadSession) -> AsyncIterator[UserRow]:
    """Everybody of whom an event told, a few in memory at once.

    Not those whose deletion is all that we ever heard of.
    """
    announced = or_(UserRow.deleted_at.is_(None), UserRow.version > 1)
    statement = select(UserRow).where(announced).order_by(UserRow.id).execution_options(yield_per=200)
    async for user in await session.stream_scalars(statement):
        yield user


async def insert_or_lock(session: WriteSession, profile: Profile, now: datetime) -> tuple[UserRow, bool]:
    """Create the profile's user, or lock the one that exists and return it as it is (R-AUTH-08).

    One atomic statement: of any number of simultaneous callers exactly one is told `True` (created), the
    others wait for its commit and get its row. The conflict branch writes nothing new; it exists to take
    the lock under which the caller decides whether the profile is news.
    """
    row = {
        "id": new_id(),
        "clerk_id": profile.clerk_id,
        "email": profile.email,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "image_url": profile.image_url,
        "roles": list(profile.roles),
        "created_at": now,
        "updated_at": now,
        "last_active_at": now,
        "clerk_updated_at": profile.updated_at,
        "version": 1,
        "suspended_at": now if profile.banned else None,
    }
    created = literal_column("app_user.xmax = 0", Boolean).label("created")
    statement = (
        insert(UserRow)
        .values(row)
        .on_conflict_do_update(index_elements=[UserRow.clerk_id], set_={"clerk_id": UserRow.clerk_id})
        .returning(UserRow, created)
        .execution_options(populate_existing=True)
    )
    found = (await session.execute(statement)).one()
    return found[0], bool(found[1])


async def touch(session: WriteSession, user_id: UUID, now: datetime) -> None:
    """Note that the user is active, unless that was noted within the last minute."""
    await session.execute(
        update(UserRow)
        .where(UserRow.id == user_id, UserRow.last_active_at <= now - ACTIVITY_STEP)
        .values(last_active_at=now)
        .execution_options(synchronize_session=False)
    )
