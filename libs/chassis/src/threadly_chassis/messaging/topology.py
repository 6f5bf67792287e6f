"""Exchanges, queues and bindings: computed from the subscriptions, declared from this one place.

The arguments mean the same on RabbitMQ 3.10 and 4.x and need no plugin. They cannot be changed on a living
queue: a new argument is a new queue name. `threadly topology` shows, applies and checks it (`topology_cli`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from pamqp.common import FieldTable

from .connection import BrokerConnection
from .ladder import Ladder
from .subscriptions import AnyConsumer, Subscriptions

EVENTS_EXCHANGE = "t.events"
UNROUTED = "t.unrouted"
DEAD_EXCHANGE = "t.dlx"
CONTROL_EXCHANGE = "t.control"

#: Never -1: 4.x reads it as "unlimited", 3.10 as "drop at the first requeue". Never absent either: without a
#: limit a requeued message goes to the tail on 3.10, and 4.x drops it after 20.
_DELIVERY_LIMIT = 1000
#: A dead-letter queue has no dead letters of its own: past its limit a message would be gone, so looking
#: at it (get, requeue) must never come near.
_DEAD_DELIVERY_LIMIT = 1_000_000


def wait_queue(consumer: str, step: str) -> str:
    """The queue (and fanout exchange) where a consumer's failed messages wait."""
    return f"{consumer}.wait.{step}"


def dead_letter_queue(consumer: str) -> str:
    """The queue of what a consumer gave up."""
    return f"{consumer}.dlq"


def resend_queue(service: str) -> str:
    """Where a service is asked to send events of its log again."""
    return f"{service}.resend"


def resend_key(service: str) -> str:
    """The key of such a request on `t.control`."""
    return f"resend.{service}"


def rehearse_queue(service: str) -> str:
    """Where a service is asked what applying a letter would do."""
    return f"{service}.rehearse"


def rehearse_key(service: str) -> str:
    """The key of such a request on `t.control`."""
    return f"rehearse.{service}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str
    arguments: FieldTable = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: FieldTable


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """What of an exchange reaches a queue."""

    exchange: str
    queue: str
    routing_key: str


def _quorum(limit: int, arguments: FieldTable | None = None) -> FieldTable:
    return {
        "x-queue-type": "quorum",
        "x-queue-leader-locator": "balanced",
        "x-delivery-limit": limit,
        **(arguments or {}),
    }


#: At least once needs reject-publish; without both, the broker drops a dead letter it cannot place at once.
_AT_LEAST_ONCE: FieldTable = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


class Topology:
    """Everything the broker must have for one service, or for several together."""

    def __init__(self, tables: Iterable[Subscriptions], ladder: Ladder) -> None:
        self.exchanges: list[Exchange] = [
            Exchange(UNROUTED, "fanout"),
            Exchange(EVENTS_EXCHANGE, "topic", {"alternate-exchange": UNROUTED}),
            Exchange(DEAD_EXCHANGE, "direct"),
            Exchange(CONTROL_EXCHANGE, "topic"),
        ]
        self.queues: list[Queue] = [Queue(UNROUTED, _quorum(_DEAD_DELIVERY_LIMIT))]
        self.bindings: list[Binding] = [Binding(UNROUTED, UNROUTED, "")]
        for table in tables:
            self._ask(resend_queue(table.service), resend_key(table.service))
            self._ask(rehearse_queue(table.service), rehearse_key(table.service))
            for consumer in table:
                self._add(consumer, ladder)

    def _ask(self, queue: str, key: str) -> None:
        self.queues.append(Queue(queue, _quorum(_DELIVERY_LIMIT)))
        self.bindings.append(Binding(CONTROL_EXCHANGE, queue, key))

    def _add(self, consumer: AnyConsumer, ladder: Ladder) -> None:
        dead = dead_letter_queue(consumer.name)
        self.queues.append(Queue(dead, _quorum(_DEAD_DELIVERY_LIMIT)))
        self.bindings.append(Binding(DEAD_EXCHANGE, dead, dead))
        for step in ladder.steps:
            waiting = wait_queue(consumer.name, step.name)
            # Dead-lettered through the default exchange with its key kept: back to exactly its own queue.
            back = {"x-message-ttl": step.milliseconds, "x-dead-letter-exchange": "", **_AT_LEAST_ONCE}
            self.exchanges.append(Exchange(waiting, "fanout"))
            self.queues.append(Queue(waiting, _quorum(_DELIVERY_LIMIT, back)))
            self.bindings.append(Binding(waiting, waiting, ""))
        end = {"x-dead-letter-exchange": DEAD_EXCHANGE, "x-dead-letter-routing-key": dead, **_AT_LEAST_ONCE}
        # No max-length: one full queue would refuse the publish that its siblings have already taken.
        self.queues.append(Queue(consumer.name, _quorum(_DELIVERY_LIMIT, end)))
        self.bindings.extend(Binding(EVENTS_EXCHANGE, consumer.name, key) for key in consumer.routing_keys)

    def plan(self) -> list[str]:
        """One line for each thing that `apply` declares."""
        return [
            *(f"exchange {e.name} ({e.type}) {_shown(e.arguments)}".rstrip() for e in self.exchanges),
            *(f"queue {q.name} {_shown(q.arguments)}" for q in self.queues),
            *(f"bind {b.exchange} --{b.routing_key or '*'}--> {b.queue}" for b in self.bindings),
        ]

    async def apply(self, connection: AbstractConnection) -> None:
        """Declare everything; what is already there, equal, stays as it is.

        Raises `ChannelPreconditionFailed` when something is there with other arguments.
        """
        async with connection.channel() as channel:
            for exchange in self.exchanges:
                await channel.declare_exchange(
                    exchange.name, exchange.type, durable=True, arguments=exchange.arguments
                )
            for queue in self.queues:
                await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            await self._bind(channel)

    async def _bind(self, channel: AbstractChannel) -> None:
        underlay = await channel.get_underlay_channel()
        for binding in self.bindings:
            await underlay.queue_bind(binding.queue, binding.exchange, binding.routing_key)

    async def check(self, connection: AbstractConnection) -> list[str]:
        """Return what is missing or different, a line each; nothing is created that was not there."""
        problems = []
        for exchange in self.exchanges:
            problems += await self._probe(connection, exchange)
        for queue in self.queues:
            problems += await self._probe(connection, queue)
        return problems

    @staticmethod
    async def _probe(connection: AbstractConnection, thing: Exchange | Queue) -> list[str]:
        kind = type(thing).__name__.lower()
        try:
            async with connection.channel() as channel:
                if isinstance(thing, Exchange):
                    await channel.declare_exchange(thing.name, thing.type, passive=True)
                    await channel.declare_exchange(
                        thing.name, thing.type, durable=True, arguments=thing.arguments
                    )
                else:
                    await channel.declare_queue(thing.name, passive=True)
                    await channel.declare_queue(thing.name, durable=True, arguments=thing.arguments)
        except ChannelNotFoundEntity:
            return [f"{kind} {thing.name} is missing"]
        except ChannelPreconditionFailed as error:
            return [f"{kind} {thing.name} differs: {error.args[0]}"]
        return []


async def apply_patiently(topology: Topology, connection: BrokerConnection, seconds: float = 60) -> None:
    """Apply to a broker that may be about to start.

    A fresh RabbitMQ answers before its queues' leaders can be chosen: on a busy machine a declare then took
    its 25 s and ended the connection with "cluster_not_formed". Raises what is still wrong after `seconds`,
    and at once a wrong password or `ChannelPreconditionFailed`.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            await topology.apply(await connection.get())
        except ProbableAuthenticationError:
            raise
        except (ConnectionError, TimeoutError, ChannelInvalidStateError):
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


def _shown(arguments: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(arguments.items()))
