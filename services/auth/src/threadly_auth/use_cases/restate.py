"""Say how everybody stands, for readers that are rebuilt after the history was forgotten (ADR 19, ADR 22)."""

from collections.abc import AsyncIterator

from threadly_chassis.rebuild.snapshots import Snapshots
from threadly_contracts.auth import UserUpdated

from ..dependencies import AuthDeps
from ..storage import users
from .apply_profile import person


async def every_user(deps: AuthDeps) -> AsyncIterator[tuple[UserUpdated, int]]:
    """Each user, those who left without their data, and the version."""
    async with deps.db.read() as session:
        async for user in users.each_announced(session):
            yield UserUpdated(**person(user), updated_at=user.updated_at), user.version


SNAPSHOTS: Snapshots = {UserUpdated: every_user}
