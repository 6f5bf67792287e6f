"""What auth says: who exists, and how they are called."""

from uuid import UUID

from .event import Event, Payload
from .values import UtcDatetime


class Person(Payload):
    """What others may know of a user, and the address for mail."""

    user_id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    image_url: str | None

    @property
    def display_name(self) -> str:
        """First and last name as people read it; empty when neither is known."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)


class UserRegistered(
    Person, Event, type="threadly.auth.user_registered.v1", aggregate="user", subject="user_id"
):
    """Somebody was seen for the first time (R-AUTH-06)."""

    created_at: UtcDatetime


class UserUpdated(Person, Event, type="threadly.auth.user_updated.v1", aggregate="user", subject="user_id"):
    """Something that others can see of a user changed (R-AUTH-07)."""

    updated_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (UserRegistered, UserUpdated)
