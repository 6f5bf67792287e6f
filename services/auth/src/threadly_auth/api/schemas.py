"""What auth's API takes and gives."""

from datetime import datetime
from typing import Self
from uuid import UUID

from threadly_chassis.http import ResponseModel

from ..storage.signed_in import SignedIn
from ..storage.tables import UserRow


class OwnProfile(ResponseModel):
    """The caller, as the database knows them (R-AUTH-11)."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    image_url: str | None
    roles: list[str]
    created_at: datetime
    last_active_at: datetime


class PublicProfile(ResponseModel):
    """What everybody may know of a user."""

    id: UUID
    name: str
    image_url: str | None
    member_since: datetime

    @classmethod
    def of(cls, user: UserRow) -> Self:
        """Leave out what is private."""
        return cls(id=user.id, name=user.display_name, image_url=user.image_url, member_since=user.created_at)


class TokenAnswer(ResponseModel):
    """A JWT that every service accepts as `Authorization: Bearer` until it expires."""

    token: str
    expires_at: datetime
    user: OwnProfile

    @classmethod
    def of(cls, signed_in: SignedIn) -> Self:
        """Shape an exchange's outcome."""
        return cls(
            token=signed_in.token,
            expires_at=signed_in.expires_at,
            user=OwnProfile.model_validate(signed_in.user),
        )
