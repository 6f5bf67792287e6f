"""Users, as themselves and as others see them."""

from uuid import UUID

from threadly_chassis.errors import NotFound
from threadly_chassis.http import CurrentPrincipal, router

from ..dependencies import Deps
from ..storage import users as stored
from ..storage.tables import UserRow
from .schemas import OwnProfile, PublicProfile

users = router("/v1/users", tags=["users"])


class UserNotFound(NotFound):
    """No such user, or one who left."""

    code = "user_not_found"
    title = "There is no such user"


@users.get("/me")
async def me(principal: CurrentPrincipal, deps: Deps) -> OwnProfile:
    """Return the caller."""
    return OwnProfile.model_validate(await _existing(principal.user_id, deps))


@users.get("/{user_id}")
async def public_profile(user_id: UUID, deps: Deps) -> PublicProfile:
    """Return what everybody may know of a user."""
    return PublicProfile.of(await _existing(user_id, deps))


async def _existing(user_id: UUID, deps: Deps) -> UserRow:
    async with deps.db.read() as session:
        user = await stored.find(session, user_id)
    if user is None or user.deleted_at is not None:
        raise UserNotFound
    return user
