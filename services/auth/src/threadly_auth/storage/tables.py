"""Auth's tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata


class Base(DeclarativeBase):
    """The root of auth's tables."""

    metadata = new_metadata()
    type_annotation_map = TYPES


class UserRow(Base):
    """Somebody who signed in, or whom Clerk told us about.

    A deleted user stays as a tombstone without personal data, so that late news cannot bring them back.
    """

    __tablename__ = "app_user"
    __table_args__ = (UniqueConstraint("clerk_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    clerk_id: Mapped[str]
    email: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    image_url: Mapped[str | None]
    roles: Mapped[list[str]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_active_at: Mapped[datetime]
    clerk_updated_at: Mapped[datetime]
    version: Mapped[int]
    suspended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    @property
    def display_name(self) -> str:
        """First and last name as people read it; empty when neither is known."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)
