"""Drop what an event made stale (R-MSG-09); again and again does no harm."""

from threadly_chassis.messaging import EffectContext
from threadly_contracts.messaging import ConversationRead, ConversationStarted, MessageSent

from ..dependencies import MessagingDeps
from .cache_tags import conversation_tag, inbox_tag


async def after_start(event: ConversationStarted, context: EffectContext[MessagingDeps]) -> None:
    """Both inboxes have a new entry."""
    await context.deps.cache.invalidate_tags(inbox_tag(event.buyer_id), inbox_tag(event.seller_id))


async def after_message(event: MessageSent, context: EffectContext[MessagingDeps]) -> None:
    """The conversation, and both inboxes with the recipient's unread count."""
    await context.deps.cache.invalidate_tags(
        conversation_tag(event.conversation_id), inbox_tag(event.sender_id), inbox_tag(event.recipient_id)
    )


async def after_read(event: ConversationRead, context: EffectContext[MessagingDeps]) -> None:
    """The conversation's read marks, and the reader's unread count."""
    await context.deps.cache.invalidate_tags(
        conversation_tag(event.conversation_id), inbox_tag(event.reader_id)
    )
