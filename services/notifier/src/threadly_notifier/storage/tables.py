"""Notifier's tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = TYPES


class ContactRow(Base):
    """How somebody is reached: notifier's copy of what auth says."""

    __tablename__ = "contact"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]

    @property
    def greeting(self) -> str:
        """How a mail addresses them."""
        return self.first_name or "there"


class NotificationRow(Base):
    """A notice in the app; one person is told of one event once."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("user_id", "event_id"),
        Index("ix_notification_user_newest", "user_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    event_id: Mapped[UUID]
    type: Mapped[str]
    title: Mapped[str]
    message: Mapped[str]
    subject_id: Mapped[UUID]
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class MailRow(Base):
    """A mail; one person gets one template for one event once."""

    __tablename__ = "mail"
    __table_args__ = (UniqueConstraint("event_id", "template", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("contact.user_id"))
    event_id: Mapped[UUID]
    template: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
