"""What auth tells itself, so that retries, dead letters and replay of Clerk's news are the common ones."""

from datetime import datetime
from typing import Self

from threadly_contracts import Event
from threadly_contracts.values import UtcDatetime

from .profile import Profile


class ClerkUserChanged(
    Event, type="threadly.auth.clerk_user_changed.v1", aggregate="clerk_user", subject="clerk_id"
):
    """Clerk told us, by webhook or when asked, how a user looks now."""

    clerk_id: str
    email: str
    first_name: str | None
    last_name: str | None
    image_url: str | None
    roles: tuple[str, ...]
    banned: bool
    created_at: UtcDatetime
    updated_at: UtcDatetime

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Wrap a profile."""
        return cls.model_validate(profile, from_attributes=True)

    @property
    def profile(self) -> Profile:
        """The profile that was wrapped."""
        return Profile(**self.model_dump())


class ClerkUserDeleted(
    Event, type="threadly.auth.clerk_user_deleted.v1", aggregate="clerk_user", subject="clerk_id"
):
    """Clerk told us that a user is gone."""

    clerk_id: str
    deleted_at: UtcDatetime


def milliseconds(moment: datetime) -> int:
    """A private message's version: Clerk's own time of the change."""
    return int(moment.timestamp() * 1000)
