"""Send what just happened to whoever is looking (R-RT-04, R-RT-06, R-RT-08)."""

from datetime import datetime

from threadly_chassis.messaging import EffectContext
from threadly_contracts.messaging import ConversationRead, ConversationStarted, MessageSent
from threadly_contracts.orders import OrderConfirmed, OrderStatus, PaymentFailed

from ..dependencies import NotifierDeps
from ..gateways.realtime import conversation_channel, user_channel

#: Pusher takes 10 kB; a longer message is announced by its beginning and read from the API (E095).
MAX_CONTENT_BYTES = 6 * 1024


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _fitting(content: str) -> tuple[str, bool]:
    encoded = content.encode()
    if len(encoded) <= MAX_CONTENT_BYTES:
        return content, False
    return encoded[:MAX_CONTENT_BYTES].decode(errors="ignore"), True


async def broadcast_message(event: MessageSent, context: EffectContext[NotifierDeps]) -> None:
    """Send `message.new` to the conversation, and to the recipient wherever they are."""
    content, is_excerpt = _fitting(
        event.content_text if len(event.content) > MAX_CONTENT_BYTES else event.content
    )
    data = {
        "id": str(event.message_id),
        "conversationId": str(event.conversation_id),
        "senderId": str(event.sender_id),
        "content": content,
        "createdAt": _iso(event.created_at),
        "senderName": event.sender_name,
    }
    if event.sender_avatar:
        data["senderAvatar"] = event.sender_avatar
    channels = [conversation_channel(event.conversation_id), user_channel(event.recipient_id)]
    await context.deps.realtime.trigger(
        channels, "message.new", data | ({"isExcerpt": True} if is_excerpt else {})
    )


async def broadcast_conversation(event: ConversationStarted, context: EffectContext[NotifierDeps]) -> None:
    """Tell the seller that there is a conversation to listen to."""
    await context.deps.realtime.trigger(
        [user_channel(event.seller_id)],
        "conversation.started",
        {
            "conversationId": str(event.conversation_id),
            "productId": str(event.product_id),
            "startedAt": _iso(event.started_at),
        },
    )


async def broadcast_read(event: ConversationRead, context: EffectContext[NotifierDeps]) -> None:
    """Tell both how far the conversation was read."""
    await context.deps.realtime.trigger(
        [conversation_channel(event.conversation_id)],
        "conversation.read",
        {
            "conversationId": str(event.conversation_id),
            "readerId": str(event.reader_id),
            "lastReadMessageId": str(event.last_read_message_id),
            "readAt": _iso(event.read_at),
        },
    )


async def broadcast_order(event: OrderConfirmed, context: EffectContext[NotifierDeps]) -> None:
    """Send `order.status_changed` to buyer and seller."""
    await context.deps.realtime.trigger(
        [user_channel(event.buyer_id), user_channel(event.seller_id)],
        "order.status_changed",
        {
            "orderId": str(event.order_id),
            "newStatus": OrderStatus.CONFIRMED.value,
            "productId": str(event.product_id),
            "message": f"{event.product_title} is sold.",
        },
    )


async def broadcast_payment_failure(event: PaymentFailed, context: EffectContext[NotifierDeps]) -> None:
    """Tell the buyer's open page why the payment failed (R-ORD-13)."""
    await context.deps.realtime.trigger(
        [user_channel(event.buyer_id)],
        "checkout.payment_failed",
        {
            "checkoutId": str(event.checkout_id),
            "productId": str(event.product_id),
            "code": event.code,
            "message": event.message,
        },
    )
