"""What an operators' tool needs of the broker: taking dead letters out, and putting messages back.

Taking is by `basic.get`, a batch at a time: there is nothing to keep alive between two looks, and a dead
letter that comes back because the taker crashed is recognised by its id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands as spec

from . import headers as h
from .connection import BrokerConnection
from .publisher import Outgoing
from .topology import dead_letter_queue


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a database keeps it: its properties by AMQP name, its headers, its bytes."""

    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: bytes


def _jsonable(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
        case Mapping():
            return {str(key): _jsonable(part) for key, part in value.items()}
        case list() | tuple():
            return [_jsonable(part) for part in value]
        case str() | int() | float() | bool() | None:
            return value
        case _:
            return str(value)


def stored(message: AbstractIncomingMessage) -> StoredMessage:
    """Make a message storable, whatever a stranger put into its headers."""
    properties = {
        "message_id": message.message_id,
        "message_type": message.type,
        "content_type": message.content_type,
        "correlation_id": message.correlation_id,
        "app_id": message.app_id,
        "timestamp": message.timestamp.isoformat() if message.timestamp else None,
    }
    return StoredMessage(properties, _jsonable(dict(message.headers)), bytes(message.body))


async def take_dead_letters(
    connection: BrokerConnection,
    consumer: str,
    store: Callable[[Sequence[StoredMessage]], Awaitable[None]],
    *,
    limit: int = 100,
) -> int:
    """Move up to `limit` dead letters of a consumer into `store`; acknowledged only when it has returned.

    Returns how many there were; 0 when the consumer has no dead-letter queue. Raises one of `BROKER_ERRORS`
    when the broker is away.
    """
    broker = await connection.get()
    taken: list[AbstractIncomingMessage] = []
    channel = await broker.channel()
    try:
        queue = await channel.get_queue(dead_letter_queue(consumer), ensure=False)
        while len(taken) < limit and (message := await queue.get(fail=False, timeout=5)):
            taken.append(message)
        if taken:
            await store([stored(message) for message in taken])
            await taken[-1].ack(multiple=True)
    except ChannelNotFoundEntity:
        return 0
    finally:
        await channel.close()
    return len(taken)


def replay(message: StoredMessage, *, consumer: str, replay_id: UUID) -> Outgoing:
    """The message as it goes back to the queue of the one consumer that gave it up.

    It keeps its event id, so that it can never be applied twice, and starts a new life: attempt 1.
    """
    headers = h.without_dead_letter_headers(h.without_broker_headers(message.headers))
    headers |= {h.ATTEMPT: 1, h.REPLAY_ID: str(replay_id)}
    headers.pop(h.FIRST_FAILED_AT, None)
    properties = dict(message.properties)
    timestamp = properties.get("timestamp")
    properties["timestamp"] = datetime.fromisoformat(timestamp) if timestamp else None
    return Outgoing(
        exchange="",
        routing_key=consumer,
        properties=spec.Basic.Properties(**properties, delivery_mode=2, headers=headers),
        body=message.body,
    )
