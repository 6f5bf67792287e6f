"""Messaging's tables: its own conversations, and copies of what others own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata


class Base(DeclarativeBase):
    """The root of messaging's tables."""

    metadata = new_metadata()
    type_annotation_map = TYPES


class ConversationRow(Base):
    """A buyer and a seller talking about one item; its row lock orders its messages (E097)."""

    __tablename__ = "conversation"
    __table_args__ = (UniqueConstraint("buyer_id", "seller_id", "product_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    buyer_id: Mapped[UUID]
    seller_id: Mapped[UUID]
    product_id: Mapped[UUID]
    last_sequence: Mapped[int]
    """The number of the last message; the first one is 1."""
    created_at: Mapped[datetime]
    last_message_at: Mapped[datetime]
    version: Mapped[int]


class MessageRow(Base):
    """One message; `sequence` is its place in the conversation, whatever the clocks say."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("conversation_id", "sequence"),
        Index(None, "sender_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversation.id"))
    sequence: Mapped[int]
    sender_id: Mapped[UUID]
    content: Mapped[str]
    """Sanitised HTML."""
    content_text: Mapped[str]
    fingerprint: Mapped[str]
    """What repeats are recognised by."""
    image_url: Mapped[str | None]
    read: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ParticipantStateRow(Base):
    """One side's view of a conversation: its place in the inbox, and how far they have read."""

    __tablename__ = "participant_state"
    __table_args__ = (Index(None, "user_id", "last_message_at", "conversation_id"),)

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversation.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_read_sequence: Mapped[int]
    last_message_at: Mapped[datetime]
    """The conversation's, repeated here so that an inbox is one walk along an index."""


class ProductRow(Base):
    """The copy of an item that catalog's events keep; a removed one stays, as REMOVED."""

    __tablename__ = "product"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID]
    title: Mapped[str]
    status: Mapped[str]
    image_url: Mapped[str | None]
    price_minor: Mapped[int]
    currency: Mapped[str]


class PersonRow(Base):
    """The copy of a person that auth's events keep."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    image_url: Mapped[str | None]
