"""Note how far somebody has read."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_contracts.messaging import ConversationRead

from ..storage import conversations, messages


async def read_conversation(
    conversation_id: UUID, *, reader_id: UUID, up_to: UUID | None, tx: Transaction, now: datetime
) -> bool:
    """Move the reader's marker to a message, by default the last; returns whether it moved (R-MSG-09).

    It never moves back. Raises `ConversationNotFound` and `MessageNotFound`.
    """
    conversation = await conversations.lock_for(tx.session, conversation_id, reader_id)
    sequence = conversation.last_sequence
    if up_to is not None:
        sequence = (await messages.find_in(tx.session, conversation_id, up_to)).sequence
    state = await conversations.reading_state(tx.session, conversation_id, reader_id)
    if sequence <= state.last_read_sequence:
        return False
    state.last_read_sequence = sequence
    conversation.version += 1
    await messages.mark_read(tx.session, conversation_id, reader_id=reader_id, up_to=sequence, now=now)
    last_read = await messages.at(tx.session, conversation_id, sequence)
    event = ConversationRead(
        conversation_id=conversation_id,
        reader_id=reader_id,
        last_read_message_id=last_read.id,
        read_at=now,
    )
    await tx.publish(event, version=conversation.version)
    return True
