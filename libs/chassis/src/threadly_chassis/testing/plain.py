"""The ordinary way to publish with aio-pika: what the fast path is held against.

One message after the other, each with its own confirm awaited, through the library's own `Message`. It is
slow and it is obviously right, which is all that an oracle has to be.
"""

from collections.abc import Sequence
from datetime import timedelta

from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from ..messaging.publisher import Confirmation, Outgoing


async def publish_plainly(channel: AbstractChannel, messages: Sequence[Outgoing]) -> list[Confirmation]:
    """Publish one by one on a confirming channel that raises for returns; the answers in order.

    Raises what aio-pika raises for a message that cannot be sent; those before it were sent.
    """
    return [await _publish(channel, message) for message in messages]


async def _publish(channel: AbstractChannel, outgoing: Outgoing) -> Confirmation:
    exchange = await _exchange(channel, outgoing.exchange)
    try:
        await exchange.publish(as_message(outgoing), outgoing.routing_key, mandatory=True)
    except PublishError:
        return Confirmation.RETURNED
    except DeliveryError:
        return Confirmation.REFUSED
    return Confirmation.CONFIRMED


async def _exchange(channel: AbstractChannel, name: str) -> AbstractExchange:
    return await channel.get_exchange(name, ensure=False) if name else channel.default_exchange


def as_message(outgoing: Outgoing) -> Message:
    """The same message in aio-pika's terms."""
    properties = outgoing.properties
    expiration = timedelta(milliseconds=int(properties.expiration)) if properties.expiration else None
    message = Message(
        outgoing.body,
        headers=properties.headers,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        delivery_mode=properties.delivery_mode,
        correlation_id=properties.correlation_id,
        expiration=expiration,
        message_id=properties.message_id,
        timestamp=properties.timestamp,
        type=properties.message_type,
        app_id=properties.app_id,
    )
    # aio-pika says "priority 0" where nothing was said.
    message.priority = properties.priority
    return message
