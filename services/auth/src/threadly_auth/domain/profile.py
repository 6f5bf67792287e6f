"""What Clerk says about somebody, and which of it counts when it disagrees with what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

MEMBER = "member"
OPERATOR = "operator"


class MalformedProfile(ValueError):
    """A user object that lacks what Clerk documents as always there."""


class KnownUser(Protocol):
    """The stored side of the comparison."""

    email: str
    first_name: str | None
    last_name: str | None
    image_url: str | None
    clerk_updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A Clerk user at one moment of Clerk's time, as R-AUTH-06 wants it stored."""

    clerk_id: str
    email: str
    first_name: str | None
    last_name: str | None
    image_url: str | None
    roles: tuple[str, ...]
    banned: bool
    created_at: datetime
    updated_at: datetime

    def is_newer_than(self, user: KnownUser) -> bool:
        """Whether it may change `user`: the later word wins, and nobody comes back from deletion (E106)."""
        return user.deleted_at is None and self.updated_at > user.clerk_updated_at

    def looks_different_from(self, user: KnownUser) -> bool:
        """Whether others would notice, which is what `UserUpdated` announces."""
        held = (user.email, user.first_name, user.last_name, user.image_url)
        return held != (self.email, self.first_name, self.last_name, self.image_url)


def parse_profile(user: Mapping[str, Any]) -> Profile:
    """Read a user object of Clerk's Backend API or webhooks (openapi `User`; times are Unix milliseconds).

    Raises `MalformedProfile` when a field that Clerk always sends is missing or of another type.
    """
    try:
        return Profile(
            clerk_id=_required_text(user["id"]),
            email=_first_address(user.get("email_addresses") or ()),
            first_name=user.get("first_name") or None,
            last_name=user.get("last_name") or None,
            image_url=user.get("image_url") or None,
            roles=_roles(user.get("public_metadata") or {}),
            banned=bool(user.get("banned", False)),
            created_at=moment(user["created_at"]),
            updated_at=moment(user["updated_at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise MalformedProfile(f"not a Clerk user: {error!r}") from error


def moment(milliseconds: float) -> datetime:
    """Clerk's time as ours."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _required_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("the id is missing")
    return value


def _first_address(addresses: Any) -> str:
    return next((str(address["email_address"]) for address in addresses), "")


def _roles(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    # Only Clerk's dashboard and backend can write public_metadata; the user cannot.
    return (MEMBER, OPERATOR) if metadata.get("role") == OPERATOR else (MEMBER,)
