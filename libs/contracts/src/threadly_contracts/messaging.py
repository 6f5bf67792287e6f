"""What messaging says: who talks to whom, and what was said."""

from uuid import UUID

from .event import Event
from .values import UtcDatetime


class ConversationStarted(
    Event,
    type="threadly.messaging.conversation_started.v1",
    aggregate="conversation",
    subject="conversation_id",
):
    """A buyer opened a conversation with a seller about an item."""

    conversation_id: UUID
    product_id: UUID
    product_title: str
    buyer_id: UUID
    seller_id: UUID
    started_at: UtcDatetime


class MessageSent(
    Event, type="threadly.messaging.message_sent.v1", aggregate="conversation", subject="conversation_id"
):
    """A message was stored (R-MSG-08); its event's version says what came before and after it."""

    message_id: UUID
    conversation_id: UUID
    sender_id: UUID
    recipient_id: UUID
    sender_name: str
    sender_avatar: str | None
    content: str
    """Sanitised HTML."""
    content_text: str
    image_url: str | None
    product_id: UUID
    product_title: str
    created_at: UtcDatetime


class ConversationRead(
    Event, type="threadly.messaging.conversation_read.v1", aggregate="conversation", subject="conversation_id"
):
    """Somebody read a conversation up to a message."""

    conversation_id: UUID
    reader_id: UUID
    last_read_message_id: UUID
    read_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (ConversationStarted, MessageSent, ConversationRead)
