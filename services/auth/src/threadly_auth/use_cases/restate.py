"""How everybody stands, for readers that are rebuilt after the history was forgotten (ADR 19, ADR 22)."""

from collections.abc import AsyncIterator

from sqlalchemy import or_, select

from threadly_chassis.rebuild.snapshots import Snapshots
from threadly_contracts.auth import UserUpdated

from .dependencies import AuthDeps
from .storage.tables import UserRow
from .use_cases.apply_profile import person

#: Rows that are held in memory at once.
_AT_ONCE = 200


async def every_user(deps: AuthDeps) -> AsyncIterator[tuple[UserUpdated, int]]:
    """Each user, those who left without their data, and the version."""
    # Somebody whose deletion is all that we ever heard of was never announced.
    announced = or_(UserRow.deleted_at.is_(None), UserRow.version > 1)
    statement = select(UserRow).where(announced).order_by(UserRow.id).execution_options(yield_per=_AT_ONCE)
    async with deps.db.read() as session:
        async for user in await session.stream_scalars(statement):
            yield UserUpdated(**person(user), updated_at=user.updated_at), user.version


SNAPSHOTS: Snapshots = {UserUpdated: every_user}
