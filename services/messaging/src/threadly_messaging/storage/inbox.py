"""A person's conversations as a list shows them: one query a page."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, and_, case, func, select, tuple_
from sqlalchemy.orm import aliased

from threadly_chassis.db import ReadSession

from ..domain.conversations import ConversationNotFound
from .tables import ConversationRow, MessageRow, ParticipantStateRow, PersonRow, ProductRow

_other_id = case(
    (ConversationRow.buyer_id == ParticipantStateRow.user_id, ConversationRow.seller_id),
    else_=ConversationRow.buyer_id,
)


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProductCard(_Card):
    """The item that is talked about."""

    id: UUID
    title: str
    image_url: str | None
    status: str
    price_minor: int
    currency: str


class PersonCard(_Card):
    """The one who is talked to; without a name until the first event about them arrives."""

    id: UUID
    name: str = ""
    image_url: str | None = None


class LastMessage(_Card):
    """The end of the conversation."""

    id: UUID
    sender_id: UUID
    content_text: str
    image_url: str | None
    created_at: datetime


class InboxEntry(_Card):
    """A conversation with what is shown of it to one of its two sides."""

    id: UUID
    buyer_id: UUID
    created_at: datetime
    last_message_at: datetime
    product: ProductCard
    other: PersonCard
    last_message: LastMessage | None
    unread_count: int


async def page(
    session: ReadSession, user_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[InboxEntry]:
    """The conversations with the newest messages first, after a position."""
    statement = _entries(user_id).order_by(
        ParticipantStateRow.last_message_at.desc(), ParticipantStateRow.conversation_id.desc()
    )
    if after is not None:
        position = tuple_(ParticipantStateRow.last_message_at, ParticipantStateRow.conversation_id)
        statement = statement.where(position < after)
    return [_entry(*row) for row in (await session.execute(statement.limit(limit))).all()]


async def entry(session: ReadSession, user_id: UUID, conversation_id: UUID) -> InboxEntry:
    """One of them; raises `ConversationNotFound`."""
    statement = _entries(user_id).where(ParticipantStateRow.conversation_id == conversation_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise ConversationNotFound
    return _entry(*row)


def _entry(
    conversation: ConversationRow,
    product: ProductRow,
    other_id: UUID,
    other: PersonRow | None,
    last_message: MessageRow | None,
    unread_count: int,
) -> InboxEntry:
    return InboxEntry(
        id=conversation.id,
        buyer_id=conversation.buyer_id,
        created_at=conversation.created_at,
        last_message_at=conversation.last_message_at,
        product=ProductCard.model_validate(product),
        other=PersonCard.model_validate(other) if other else PersonCard(id=other_id),
        last_message=LastMessage.model_validate(last_message) if last_message else None,
        unread_count=unread_count,
    )


def _entries(
    user_id: UUID,
) -> Select[ConversationRow, ProductRow, UUID, PersonRow, MessageRow, int]:
    last, unread = aliased(MessageRow), aliased(MessageRow)
    # Derived from the marker, so that no counter can drift (flows MS-19).
    unread_count = (
        select(func.count())
        .select_from(unread)
        .where(
            unread.conversation_id == ConversationRow.id,
            unread.sequence > ParticipantStateRow.last_read_sequence,
            unread.sender_id != ParticipantStateRow.user_id,
        )
        .scalar_subquery()
    )
    return (
        select(ConversationRow, ProductRow, _other_id, PersonRow, last, unread_count)
        .select_from(ParticipantStateRow)
        .join(ConversationRow, ConversationRow.id == ParticipantStateRow.conversation_id)
        .join(ProductRow, ProductRow.id == ConversationRow.product_id)
        .outerjoin(PersonRow, PersonRow.id == _other_id)
        .outerjoin(
            last,
            and_(last.conversation_id == ConversationRow.id, last.sequence == ConversationRow.last_sequence),
        )
        .where(ParticipantStateRow.user_id == user_id)
    )
