"""Say something in a conversation."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_contracts.messaging import MessageSent

from ..domain.content import CleanContent, clean_content, clean_image_url
from ..domain.conversations import ProductNotFound, other_side
from ..domain.spam import fingerprint, refuse_spam
from ..storage import conversations, copies, messages
from ..storage.messages import Message
from ..storage.tables import ConversationRow, MessageRow


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to say, fit to be stored (R-MSG-02, R-MSG-04)."""

    content: CleanContent
    image_url: str | None

    @classmethod
    def of(cls, content: str, image_url: str | None = None) -> "Draft":
        """Validate; raises the refusals of `domain.content` (R-MSG-03)."""
        return cls(clean_content(content), clean_image_url(image_url))


async def send_message(
    conversation_id: UUID, draft: Draft, *, sender: Principal, tx: Transaction, now: datetime
) -> tuple[Message, UUID]:
    """Store a message at the conversation's end and announce it; returns it and its recipient (R-MSG-05).

    Raises `ConversationNotFound` for anybody but the two, and the refusals of `domain.spam`.
    """
    conversation = await conversations.lock_for(tx.session, conversation_id, sender.user_id)
    await _refuse_spam(conversation, draft, sender, tx=tx, now=now)
    await copies.keep_if_unknown(tx.session, sender.user_id, sender.name, sender.picture)
    row = _append(conversation, draft, sender, now)
    tx.session.add(row)
    await tx.session.flush()
    await conversations.move_up(tx.session, conversation.id, conversation.last_message_at)
    recipient_id = other_side(conversation, sender.user_id)
    await _announce(conversation, row, sender, recipient_id, tx=tx)
    tx.count("messages_sent")
    message = Message.model_validate(row)
    named = {"sender_name": sender.name, "sender_avatar": sender.picture}
    return message.model_copy(update=named), recipient_id


async def _refuse_spam(
    conversation: ConversationRow, draft: Draft, sender: Principal, *, tx: Transaction, now: datetime
) -> None:
    history = await messages.history_of(
        tx.session,
        sender.user_id,
        conversation_id=conversation.id,
        fingerprint=fingerprint(draft.content.text),
        now=now,
    )
    refuse_spam(draft.content.text, history)


def _append(conversation: ConversationRow, draft: Draft, sender: Principal, now: datetime) -> MessageRow:
    conversation.last_sequence += 1
    conversation.version += 1
    # Monotonic: another server's clock may be ahead of ours (flows MS-11).
    conversation.last_message_at = max(conversation.last_message_at, now)
    return MessageRow(
        id=new_id(),
        conversation_id=conversation.id,
        sequence=conversation.last_sequence,
        sender_id=sender.user_id,
        content=draft.content.html,
        content_text=draft.content.text,
        fingerprint=fingerprint(draft.content.text),
        image_url=draft.image_url,
        read=False,
        created_at=now,
        updated_at=now,
    )


async def _announce(
    conversation: ConversationRow, row: MessageRow, sender: Principal, recipient_id: UUID, *, tx: Transaction
) -> None:
    product = await copies.find_product(tx.session, conversation.product_id)
    if product is None:
        raise ProductNotFound
    event = MessageSent(
        message_id=row.id,
        conversation_id=conversation.id,
        sender_id=sender.user_id,
        recipient_id=recipient_id,
        sender_name=sender.name,
        sender_avatar=sender.picture,
        content=row.content,
        content_text=row.content_text,
        image_url=row.image_url,
        product_id=product.id,
        product_title=product.title,
        created_at=row.created_at,
    )
    await tx.publish(event, version=conversation.version)
