"""Messages: one conversation's, in order, and what a sender did lately."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import distinct, func, select, update

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.conversations import MessageNotFound
from ..domain.spam import RATE_WINDOW, REPEAT_WINDOW, SenderHistory
from .tables import MessageRow, PersonRow


class Message(BaseModel):
    """A stored message with its sender as others see them."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: UUID
    conversation_id: UUID
    sequence: int
    sender_id: UUID
    content: str
    content_text: str
    image_url: str | None
    read: bool
    created_at: datetime
    updated_at: datetime
    sender_name: str = ""
    sender_avatar: str | None = None

    @classmethod
    def of(cls, row: MessageRow, sender: PersonRow | None) -> Self:
        """Combine a row with the sender's copy, which may not have arrived yet."""
        message = cls.model_validate(row)
        if sender is None:
            return message
        return message.model_copy(update={"sender_name": sender.name, "sender_avatar": sender.image_url})


async def history_of(
    session: ReadSession, sender_id: UUID, *, conversation_id: UUID, fingerprint: str, now: datetime
) -> SenderHistory:
    """What the spam rules want to know of a sender; one range of one index."""
    elsewhere = distinct(MessageRow.conversation_id)
    row = (
        await session.execute(
            select(
                func.count().filter(MessageRow.created_at > now - RATE_WINDOW),
                func.count(elsewhere).filter(
                    MessageRow.fingerprint == fingerprint, MessageRow.conversation_id != conversation_id
                ),
            ).where(MessageRow.sender_id == sender_id, MessageRow.created_at > now - REPEAT_WINDOW)
        )
    ).one()
    return SenderHistory(sent=row[0], same_text_elsewhere=row[1])


async def newest(
    session: ReadSession, conversation_id: UUID, *, before: int | None, limit: int
) -> list[Message]:
    """The last messages, or the last before a place; in the conversation's order."""
    place = MessageRow.sequence < before if before is not None else MessageRow.sequence > 0
    rows = await session.execute(
        select(MessageRow, PersonRow)
        .outerjoin(PersonRow, PersonRow.id == MessageRow.sender_id)
        .where(MessageRow.conversation_id == conversation_id, place)
        .order_by(MessageRow.sequence.desc())
        .limit(limit)
    )
    return [Message.of(row[0], row[1]) for row in reversed(rows.all())]


async def following(session: ReadSession, conversation_id: UUID, *, after: int, limit: int) -> list[Message]:
    """The next messages after a place; in the conversation's order."""
    rows = await session.execute(
        select(MessageRow, PersonRow)
        .outerjoin(PersonRow, PersonRow.id == MessageRow.sender_id)
        .where(MessageRow.conversation_id == conversation_id, MessageRow.sequence > after)
        .order_by(MessageRow.sequence)
        .limit(limit)
    )
    return [Message.of(row[0], row[1]) for row in rows.all()]


async def find_in(session: ReadSession, conversation_id: UUID, message_id: UUID) -> MessageRow:
    """A message of that conversation; raises `MessageNotFound`."""
    message = await session.get(MessageRow, message_id)
    if message is None or message.conversation_id != conversation_id:
        raise MessageNotFound
    return message


async def at(session: ReadSession, conversation_id: UUID, sequence: int) -> MessageRow:
    """The message at a place that is known to be taken."""
    return (
        await session.scalars(
            select(MessageRow).where(
                MessageRow.conversation_id == conversation_id, MessageRow.sequence == sequence
            )
        )
    ).one()


async def mark_read(
    session: WriteSession, conversation_id: UUID, *, reader_id: UUID, up_to: int, now: datetime
) -> None:
    """Mark what the other side wrote, up to a place, as read."""
    await session.execute(
        update(MessageRow)
        .where(
            MessageRow.conversation_id == conversation_id,
            MessageRow.sequence <= up_to,
            MessageRow.sender_id != reader_id,
            MessageRow.read.is_(False),
        )
        .values(read=True, updated_at=now)
        .execution_options(synchronize_session=False)
    )
