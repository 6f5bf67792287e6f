"""Take a deleted user's data out, and leave a tombstone."""

from datetime import UTC, datetime

from threadly_chassis.db import Transaction

from ..domain.profile import Profile
from ..storage import users
from .apply_profile import publish_update

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


async def delete_user(clerk_id: str, *, tx: Transaction, now: datetime) -> None:
    """Erase a user's personal data; a second time, or for somebody never seen, only the tombstone remains.

    The readers' copies are erased by the UserUpdated that carries nothing personal any more (E107).
    """
    nobody = Profile(
        clerk_id=clerk_id,
        email="",
        first_name=None,
        last_name=None,
        image_url=None,
        roles=(),
        banned=False,
        created_at=now,
        updated_at=_BEFORE_ALL,
    )
    user, created = await users.insert_or_lock(tx.session, nobody, now)
    if user.deleted_at is not None:
        return
    user.email, user.first_name, user.last_name, user.image_url, user.roles = "", None, None, None, []
    user.deleted_at = now
    if not created:
        await publish_update(user, tx=tx, now=now)
    await tx.session.flush()
