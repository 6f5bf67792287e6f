"""What an operators' tool needs of the broker: taking dead letters out, and putting messages back.

Taking is by `basic.get`, a batch at a time: there is nothing to keep alive between two looks, and a dead
letter that comes back because the taker crashed is recognised by its id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp import commands as spec

from . import headers as h
from .connection import BROKER_ERRORS, BrokerConnection
from .publisher import Outgoing
from .topology import dead_letter_queue


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a database keeps it: its properties by AMQP name, its headers, its bytes."""

    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: bytes


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
    return StoredMessage(properties, h.jsonable(dict(message.headers)), bytes(message.body))


class DeadLetterTaker:
    """Moves dead letters out of the broker, over one channel that is opened again when it was lost."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def take(
        self, consumer: str, store: Callable[[Sequence[StoredMessage]], Awaitable[None]], *, limit: int = 100
    ) -> int:
        """Move up to `limit` dead letters of a consumer into `store`; acknowledged when it has returned.

        Returns how many there were; 0 when the consumer has no dead-letter queue. Raises what `store`
        raises, and one of `BROKER_ERRORS` when the broker is away; then all of them come again.
        """
        try:
            return await self._take(consumer, store, limit)
        except ChannelNotFoundEntity:
            await self._hang_up()
            return 0
        except BaseException:
            await self._hang_up()
            raise

    async def _take(
        self, consumer: str, store: Callable[[Sequence[StoredMessage]], Awaitable[None]], limit: int
    ) -> int:
        if self._channel is None or self._channel.is_closed:
            self._channel = await (await self._connection.get()).channel()
        queue = await self._channel.get_queue(dead_letter_queue(consumer), ensure=False)
        taken: list[AbstractIncomingMessage] = []
        while len(taken) < limit and (message := await queue.get(fail=False, timeout=5)):
            taken.append(message)
        if taken:
            await store([stored(message) for message in taken])
            await taken[-1].ack(multiple=True)
        return len(taken)

    async def _hang_up(self) -> None:
        # What was taken and not acknowledged goes back to its queue with the channel.
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            with suppress(*BROKER_ERRORS):
                await channel.close()


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
