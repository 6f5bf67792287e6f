"""What auth needs of Clerk, without saying how it is reached."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from threadly_chassis.errors import Unavailable

from ..domain.profile import Profile


class ClerkAway(Unavailable):
    """Clerk did not answer in time, or not sensibly."""

    code = "sign_in_unavailable"
    title = "Signing in is not possible at the moment"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that Clerk vouches for."""

    session_id: str
    clerk_id: str


class Sessions(Protocol):
    """Judges session tokens."""

    async def verify(self, token: str) -> Session:
        """Return whose session a token is of; raises `Unauthenticated`, or `ClerkAway` without any keys."""
        ...


class Directory(Protocol):
    """Knows Clerk's users."""

    async def user(self, clerk_id: str) -> Profile | None:
        """Return a user, from seconds ago at worst; None when Clerk has none; raises `ClerkAway`."""
        ...

    def newest_first(self) -> AsyncGenerator[Profile, None]:
        """Walk all users, the last changed first; raises `ClerkAway`."""
        ...
