"""Operations' tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = TYPES


class ConsumerRow(Base):
    """A consumer whose dead letters are gathered."""

    __tablename__ = "consumer"

    name: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    release: Mapped[str]
    declared_at: Mapped[datetime]


class DeadLetterRow(Base):
    """A message that a consumer gave up; it stays one row however often it comes back."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        UniqueConstraint("consumer", "message_key"),
        Index("ix_dead_letter_status_newest", "status", "created_at", "id"),
        Index("ix_dead_letter_fingerprint", "fingerprint"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    consumer: Mapped[str]
    message_key: Mapped[str]
    """The event's id; for a message without one, a digest of its body."""
    event_type: Mapped[str]
    aggregate: Mapped[str]
    subject: Mapped[str]
    version: Mapped[int | None]
    status: Mapped[str]
    reason: Mapped[str]
    exception: Mapped[str]
    message: Mapped[str]
    stack: Mapped[str]
    fingerprint: Mapped[str]
    attempts: Mapped[int]
    occurrences: Mapped[int]
    """How often it came to the dead letters."""
    first_failed_at: Mapped[datetime | None]
    last_failed_at: Mapped[datetime | None]
    trace_id: Mapped[str]
    correlation_id: Mapped[str]
    release: Mapped[str]
    host: Mapped[str]
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    row_version: Mapped[int]
    replay_id: Mapped[UUID | None]
    """The replay that it was last taken into; what becomes of the letter is counted there."""
    sent_at: Mapped[datetime | None]
    """When the present replay was confirmed by the broker; its own row's lock guards who sends it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ReplayRow(Base):
    """Letters that go back to their consumers together: who wanted it, how fast, how it stands."""

    __tablename__ = "replay"
    __table_args__ = (
        Index("ix_replay_status_due_at", "status", "due_at"),
        Index("ix_replay_requested_at", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    rate: Mapped[int]
    """Letters a second."""
    stop_failures: Mapped[int]
    stop_window: Mapped[int]
    """It stops when `stop_failures` of the last `stop_window` letters that were heard of failed again."""
    selected: Mapped[int]
    reason: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When its next letter may go out, by the database's clock; None before the first."""
    ended_at: Mapped[datetime | None]
    stopped_because: Mapped[str]
    """Empty unless it stopped."""


_UNSENT = text("outcome is null and sent_at is null")
_OUT = text("outcome is null and sent_at is not null")


class ReplayLetterRow(Base):
    """One letter in one replay; it stays when the letter goes into the next one."""

    __tablename__ = "replay_letter"
    __table_args__ = (
        Index("ix_replay_letter_unsent", "replay_id", "refusals", "dead_letter_id", postgresql_where=_UNSENT),
        Index("ix_replay_letter_out", "replay_id", postgresql_where=_OUT),
        Index(
            "ix_replay_letter_ended", "replay_id", "ended_at", postgresql_where=text("outcome is not null")
        ),
    )

    replay_id: Mapped[UUID] = mapped_column(primary_key=True)
    dead_letter_id: Mapped[UUID] = mapped_column(primary_key=True)
    taken_from: Mapped[str]
    """The status that the letter had before, and gets back when it is not sent."""
    refusals: Mapped[int]
    """How often the broker did not take it; those wait until the others are out."""
    sent_at: Mapped[datetime | None]
    """When the broker had confirmed it, by the database's clock."""
    outcome: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    """When its outcome became known here, by the database's clock."""


class RebuildRow(Base):
    """A rebuild that was asked for, by whom, and how it stands."""

    __tablename__ = "rebuild"
    __table_args__ = (Index("ix_rebuild_consumer", "consumer", "requested_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    consumer: Mapped[str]
    status: Mapped[str]
    rate: Mapped[int]
    """Events a second and owner."""
    reason: Mapped[str]
    """Why it was refused; empty otherwise."""
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    abandoned_by: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class RebuildPartRow(Base):
    """One owner's part of a rebuild: how far it has come, and what the reader made of it."""

    __tablename__ = "rebuild_part"

    rebuild_id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    sent: Mapped[int]
    total: Mapped[int | None]
    verdict: Mapped[str]
    """Empty, or the reader's comparison in words."""


class LetterEditRow(Base):
    """An edit of a letter's body: who, when, why, and both bodies; its ends never change.

    What comes back to the dead letters has the edited body, so the original is `before` of the first edit.
    """

    __tablename__ = "letter_edit"
    __table_args__ = (
        Index("ix_letter_edit_status_newest", "status", "edited_at", "id"),
        Index("ix_letter_edit_dead_letter_id", "dead_letter_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dead_letter_id: Mapped[UUID]
    row_version: Mapped[int]
    """The letter's, with this edit: a proposal is stale when the letter has another one."""
    status: Mapped[str]
    before: Mapped[bytes] = mapped_column(LargeBinary)
    """The bytes that the letter had, whatever they were."""
    after: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    edited_by: Mapped[str]
    edited_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    """Who approved or rejected it; None while nobody has, and when nobody had to."""
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str]
    """Empty when none was given."""
    replay_id: Mapped[UUID | None]
    """The replay that took the edited body to its consumer."""


class AuditRow(Base):
    """What was done to which letter or replay, by whom, and why; only ever added to."""

    __tablename__ = "audit_entry"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    dead_letter_id: Mapped[UUID | None] = mapped_column(index=True)
    """None when it is about a whole replay."""
    reason: Mapped[str]
    replay_id: Mapped[UUID | None]
    edit_id: Mapped[UUID | None]
