"""Conversations and who takes part in them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_chassis.ids import new_id

from ..domain.conversations import ConversationNotFound
from .tables import ConversationRow, ParticipantStateRow


async def insert_or_lock(
    session: WriteSession, *, buyer_id: UUID, seller_id: UUID, product_id: UUID, now: datetime
) -> tuple[ConversationRow, bool]:
    """Begin the conversation of these two about this item, or lock theirs; True when it is new.

    Two simultaneous beginnings meet at the unique constraint, and the second one gets the first one's row.
    """
    row = {
        "id": new_id(),
        "buyer_id": buyer_id,
        "seller_id": seller_id,
        "product_id": product_id,
        "last_sequence": 0,
        "created_at": now,
        "last_message_at": now,
        "version": 1,
    }
    created = await session.scalar(
        insert(ConversationRow).values(row).on_conflict_do_nothing().returning(ConversationRow)
    )
    if created is not None:
        states = [
            ParticipantStateRow(
                conversation_id=created.id, user_id=user_id, last_read_sequence=0, last_message_at=now
            )
            for user_id in (buyer_id, seller_id)
        ]
        session.add_all(states)
        await session.flush()
        return created, True
    same = (
        ConversationRow.buyer_id == buyer_id,
        ConversationRow.seller_id == seller_id,
        ConversationRow.product_id == product_id,
    )
    return (await session.scalars(select(ConversationRow).where(*same).with_for_update())).one(), False


async def find_for(session: ReadSession, conversation_id: UUID, user_id: UUID) -> ConversationRow:
    """A conversation that the user takes part in; raises `ConversationNotFound`."""
    return _or_not_found(await session.scalar(_of(conversation_id, user_id)))


async def lock_for(session: WriteSession, conversation_id: UUID, user_id: UUID) -> ConversationRow:
    """The same, locked: whoever adds to it does so one after the other."""
    return _or_not_found(await session.scalar(_of(conversation_id, user_id).with_for_update()))


async def move_up(session: WriteSession, conversation_id: UUID, moment: datetime) -> None:
    """Put the conversation where a message of that moment belongs in both inboxes."""
    await session.execute(
        update(ParticipantStateRow)
        .where(ParticipantStateRow.conversation_id == conversation_id)
        .values(last_message_at=moment)
        .execution_options(synchronize_session=False)
    )


async def reading_state(session: ReadSession, conversation_id: UUID, user_id: UUID) -> ParticipantStateRow:
    """How far somebody has read; raises `ConversationNotFound`."""
    state = await session.get(ParticipantStateRow, (conversation_id, user_id))
    if state is None:
        raise ConversationNotFound
    return state


def _of(conversation_id: UUID, user_id: UUID) -> Select[ConversationRow]:
    return select(ConversationRow).where(
        ConversationRow.id == conversation_id,
        or_(ConversationRow.buyer_id == user_id, ConversationRow.seller_id == user_id),
    )


def _or_not_found(conversation: ConversationRow | None) -> ConversationRow:
    if conversation is None:
        raise ConversationNotFound
    return conversation
