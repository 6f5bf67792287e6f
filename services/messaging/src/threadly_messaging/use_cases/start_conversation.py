"""Begin to talk to a seller about an item."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.http import Principal
from threadly_contracts.messaging import ConversationStarted

from ..domain.conversations import ProductNotFound, refuse_own_item, refuse_unavailable
from ..storage import conversations, copies, inbox
from ..storage.inbox import InboxEntry
from .send_message import Draft, send_message


async def start_conversation(
    product_id: UUID, draft: Draft | None, *, buyer: Principal, tx: Transaction, now: datetime
) -> tuple[InboxEntry, bool]:
    """Begin a conversation, or find the one that these two have about this item; True when it is new.

    The item must be available only for a beginning; what was begun goes on. A draft is sent in either case.
    Raises `ProductNotFound`, `OwnItem`, `ItemNotAvailable`, and what `send_message` raises.
    """
    product = await copies.find_product(tx.session, product_id)
    if product is None:
        raise ProductNotFound
    refuse_own_item(product, buyer.user_id)
    conversation, is_new = await conversations.insert_or_lock(
        tx.session, buyer_id=buyer.user_id, seller_id=product.seller_id, product_id=product.id, now=now
    )
    if is_new:
        refuse_unavailable(product)
        await copies.keep_if_unknown(tx.session, buyer.user_id, buyer.name, buyer.picture)
        event = ConversationStarted(
            conversation_id=conversation.id,
            product_id=product.id,
            product_title=product.title,
            buyer_id=buyer.user_id,
            seller_id=product.seller_id,
            started_at=now,
        )
        await tx.publish(event, version=conversation.version)
    if draft is not None:
        await send_message(conversation.id, draft, sender=buyer, tx=tx, now=now)
    return await inbox.entry(tx.session, buyer.user_id, conversation.id), is_new
