"""Make the stored user what Clerk says: create, update, or leave alone."""

from datetime import datetime

from threadly_chassis.db import Transaction
from threadly_chassis.observability.logging import get_logger
from threadly_contracts.auth import UserRegistered, UserUpdated

from ..domain.profile import Profile
from ..storage import users
from ..storage.tables import UserRow

_log = get_logger(__name__)


async def apply_profile(profile: Profile, *, tx: Transaction, now: datetime) -> UserRow:
    """Create the user on the first sight (R-AUTH-06), else take over what is newer (R-AUTH-07, E106).

    Publishes UserRegistered once a user, and UserUpdated only when others could see the difference.
    """
    user, created = await users.insert_or_lock(tx.session, profile, now)
    if created:
        await tx.publish(UserRegistered(**person(user), created_at=user.created_at), version=user.version)
        _report_creation(tx, user)
    elif profile.is_newer_than(user):
        await _take_over(profile, user, tx=tx, now=now)
    return user


async def _take_over(profile: Profile, user: UserRow, *, tx: Transaction, now: datetime) -> None:
    visible = profile.looks_different_from(user)
    user.email, user.first_name, user.last_name = profile.email, profile.first_name, profile.last_name
    user.image_url, user.roles = profile.image_url, list(profile.roles)
    user.suspended_at = (user.suspended_at or now) if profile.banned else None
    user.clerk_updated_at = profile.updated_at
    if visible:
        await publish_update(user, tx=tx, now=now)
    await tx.session.flush()


async def publish_update(user: UserRow, *, tx: Transaction, now: datetime) -> None:
    """Raise the version of a locked user and announce how it looks now."""
    user.version += 1
    user.updated_at = now
    await tx.publish(UserUpdated(**person(user), updated_at=now), version=user.version)


def person(user: UserRow) -> dict[str, object]:
    """The part of a user that events carry."""
    return {
        "user_id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "image_url": user.image_url,
    }


def _report_creation(tx: Transaction, user: UserRow) -> None:
    """Count and log it once it is one: a creation that is rolled back never happened (R-AUTH-09)."""

    async def report() -> None:
        _log.info("user created", new_user_id=str(user.id))

    tx.count("users_created")
    tx.after_commit(report)
