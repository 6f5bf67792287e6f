"""What the topology's arguments really do on the broker at hand, tried out on queues of their own.

RabbitMQ 3.10 takes arguments that it does not know without a word, and what the known ones mean has changed
between versions (eventing §3.12): a successful declaration proves nothing. So this asks with messages.
"""

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from threadly_contracts import Event

from .context import Context
from .ladder import Ladder
from .subscriptions import Consumer, Subscriptions
from .topology import Topology, dead_letter_queue, wait_queue

#: RabbitMQ 4 drops after 20 by default; 3.10 with a limit of -1 after the first.
_REQUEUES = 25
_STEP = Ladder(("500ms",)).steps[0]
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One question to the broker and its answer."""

    question: str
    answer: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.question}: {self.answer}"


class _Probed(Event, type="threadly.probe.asked.v1", aggregate="probe", subject="name"):
    name: str


async def _ignore(event: _Probed, context: Context[None]) -> None:
    """Never called: the probe's queues have no consumer."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A consumer's queues, made by the topology like every other's, and the channel to try them with."""

    channel: AbstractChannel
    consumer: str

    async def put(self, *bodies: bytes, exchange: str = "", expiration: float | None = None) -> None:
        """Publish to the consumer's queue, or to an exchange with the queue's name as the key."""
        target = await self.channel.get_exchange(exchange) if exchange else self.channel.default_exchange
        for body in bodies:
            message = Message(body, delivery_mode=DeliveryMode.PERSISTENT, expiration=expiration)
            await target.publish(message, self.consumer)

    async def get(self, queue: str) -> AbstractIncomingMessage | None:
        """The next message of a queue, waited for; None when none comes in ten seconds."""
        source = await self.channel.get_queue(queue, ensure=False)
        clock = asyncio.get_running_loop()
        deadline = clock.time() + _PATIENCE
        # No `asyncio.timeout`: aiormq closes a channel whose question is cancelled half-way, and the next
        # question on it then waited for ever.
        while (message := await source.get(fail=False)) is None and clock.time() < deadline:  # noqa: ASYNC110 - a broker is asked
            await asyncio.sleep(0.02)
        return message


def probe_topology() -> Topology:
    """The topology of a service that exists for this one probe."""
    name = "probe-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
    table = Subscriptions(name, Consumer(f"{name}.tried", handlers={_Probed: _ignore}))
    return Topology([table], Ladder((_STEP.name,)))


async def probe(connection: AbstractConnection, topology: Topology | None = None) -> list[Finding]:
    """Ask the broker what it does with the topology's kind of queues, and clean up; takes about two seconds.

    Needs the right to configure. `topology` is one of `probe_topology`.
    """
    async with _bench(connection, topology or probe_topology()) as bench:
        return [await question(bench) for question in _QUESTIONS]


@asynccontextmanager
async def _bench(connection: AbstractConnection, topology: Topology) -> AsyncIterator[Bench]:
    [own] = [queue.name for queue in topology.queues if queue.name.endswith(".tried")]
    await topology.apply(connection)
    try:
        async with connection.channel(on_return_raises=True) as channel:
            yield Bench(channel, own)
    finally:
        mine = own.partition(".")[0] + "."
        async with connection.channel() as channel:
            for queue in topology.queues:
                if queue.name.startswith(mine):
                    await channel.queue_delete(queue.name)
            for exchange in topology.exchanges:
                if exchange.name.startswith(mine):
                    await channel.exchange_delete(exchange.name)


async def _limit(bench: Bench) -> Finding:
    await bench.put(b"again")
    for times in range(_REQUEUES):
        message = await bench.get(bench.consumer)
        if message is None:
            answer = f"gone after {times} requeues"
            break
        await message.reject(requeue=True)
    else:
        answer = f"kept over {_REQUEUES} requeues"
    if (message := await bench.get(bench.consumer)) is not None:
        await message.ack()
    return Finding("a requeued message", answer, message is not None)


async def _position(bench: Bench) -> Finding:
    await bench.put(b"first", b"second")
    first = await bench.get(bench.consumer)
    if first is not None:
        await first.reject(requeue=True)
    bodies = [
        message.body if (message := await _taken(bench, bench.consumer)) else b"nothing" for _ in range(2)
    ]
    at_the_head = bodies == [b"first", b"second"]
    return Finding("a requeued message goes", "to the head" if at_the_head else "to the tail", at_the_head)


async def _taken(bench: Bench, queue: str) -> AbstractIncomingMessage | None:
    message = await bench.get(queue)
    if message is not None:
        await message.ack()
    return message


async def _dead_letter(bench: Bench) -> Finding:
    await bench.put(b"bad")
    message = await bench.get(bench.consumer)
    if message is not None:
        await message.reject(requeue=False)
    letter = await _taken(bench, dead_letter_queue(bench.consumer))
    if letter is None:
        return Finding("a rejected message", "is dropped", holds=False)
    kept = letter.delivery_mode is DeliveryMode.PERSISTENT
    return Finding(
        "a rejected message",
        f"is a {'lasting' if kept else 'passing'} dead letter",
        letter.body == b"bad" and kept,
    )


async def _wait(bench: Bench) -> Finding:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await bench.put(b"later", exchange=wait_queue(bench.consumer, _STEP.name), expiration=0.2)
    back = await _taken(bench, bench.consumer)
    seconds = loop.time() - started
    if back is None:
        return Finding("a waiting message", "does not come back", holds=False)
    return Finding("a waiting message comes back", "when its own time is up", 0.15 <= seconds <= _PATIENCE)  # noqa: PLR2004 - 0.2 s, less a clock's grain


async def _bound(bench: Bench) -> Finding:
    await bench.put(b"later", exchange=wait_queue(bench.consumer, _STEP.name))
    back = await _taken(bench, bench.consumer)
    answer = "does not come back" if back is None else "comes back after the queue's bound"
    return Finding("a message that waits without a time of its own", answer, back is not None)


_QUESTIONS: Sequence[Callable[[Bench], Awaitable[Finding]]] = (_limit, _position, _dead_letter, _wait, _bound)
