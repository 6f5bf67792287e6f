"""Running a consumer: its channel and lanes, rebuilt whenever they break.

The callback only enqueues, because the client starts a task per delivery and order would be lost. A lane is
serial; the events of one aggregate always meet the same lane.
"""

import asyncio
import contextlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelClosed

from ..observability.logging import get_logger
from ..tasks import end_tasks, only_own_cancellation, wait_until
from .acks import AckWindow
from .breaker import Breaker
from .connection import BROKER_ERRORS, CONNECT_TIMEOUT, BrokerConnection
from .dead_letters import FailureWay
from .delivery import Delivery
from .faults import FaultSwitch
from .gaps import GapWatch
from .handling import EffectHandling, Handling, HasDatabase, TransactionalHandling
from .incoming import DeliveryChannel, incoming
from .ladder import Ladder
from .lanes import BATCH, LINGER, Lane, Turns
from .outcome import HANDLER_DEADLINE
from .parked import ParkedEvents
from .processor import DatabaseAway, Processor, ProcessorTools
from .publisher import Publisher
from .streams import StreamRules
from .strict import StrictHandling
from .subscriptions import AnyConsumer, Consumer, EffectConsumer, Gate
from .suspects import Suspects
from .tail import Tail

PREFETCH = 4 * BATCH
#: Seconds that messages are kept in hand while the database is away; after that they go back to the queue.
OUTAGE_PATIENCE = 60.0
DRAIN_SECONDS = 25.0
_RECONNECT_WAIT = (0.2, 5.0)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerTools:
    """What every consumer of a worker shares."""

    deps: HasDatabase
    connection: BrokerConnection
    publisher: Publisher
    ladder: Ladder
    faults: FaultSwitch
    suspects: Suspects
    release: str
    stream_rules: StreamRules = field(default_factory=StreamRules)
    handler_deadline: float = HANDLER_DEADLINE


class ConsumerStopped(Exception):
    """The channel or the subscription ended; a new one is needed."""


@dataclass(eq=False, slots=True)
class Session:
    """One life of a consumer's channel: from subscribing until something ends it."""

    channel: DeliveryChannel
    window: AckWindow
    lanes: list[Lane]
    turns: Turns
    #: Opened while the consumer was paused: one message at a time, until one is applied.
    is_probing: bool = False
    consumer_tag: str = ""
    last_delivery_at: float = 0.0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    #: To be replaced without haste: what is in hand is finished first.
    is_stale: bool = False

    async def take(self, message: DeliveredMessage) -> None:
        """Put a delivery into its lane; nothing else happens in the callback."""
        delivery = Delivery(incoming(message))
        self.last_delivery_at = asyncio.get_running_loop().time()
        self.window.took(delivery.tag)
        self.lanes[zlib.crc32(delivery.lane_key.encode()) % len(self.lanes)].put_nowait(delivery)

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge deliveries."""
        await self.window.settle([delivery.tag for delivery in deliveries])

    async def reject(self, delivery: Delivery) -> None:
        """Let the broker dead-letter a delivery."""
        await self.window.reject(delivery.tag)


class ConsumerRunner:
    """Keeps one consumer running until it is told to drain."""

    def __init__(self, consumer: AnyConsumer, tools: ConsumerTools) -> None:
        self.consumer = consumer
        self._tools = tools
        self._draining = asyncio.Event()
        self.session: Session | None = None
        self._subscribed_at = 0.0
        self._is_refreshing = False
        self._breaker = Breaker(consumer.name)
        failures = FailureWay(consumer.name, tools.ladder, tools.release)
        self._tail = _tail_of(consumer, tools, failures)
        self._processing = ProcessorTools(
            handling=handling_of(consumer, tools, self._tail),
            failures=failures,
            publisher=tools.publisher,
            faults=tools.faults,
            suspects=tools.suspects,
            breaker=self._breaker,
        )

    @property
    def is_consuming(self) -> bool:
        """Whether it is subscribed at this moment."""
        return self._is_refreshing or (self.session is not None and bool(self.session.consumer_tag))

    def drain(self) -> None:
        """Take no more messages, finish those in hand, then let `run` return."""
        self._draining.set()
        self._breaker.end()
        if self._tail is not None:
            self._tail.drain()

    def resubscribe(self) -> None:
        """Give the present channel up and build a new one (the watchdog's remedy)."""
        if self.session is not None:
            self.session.cancelled.set()

    def refresh(self) -> None:
        """Finish what is in hand and subscribe anew; nobody is told, since nothing is known to be wrong."""
        if self.session is not None:
            self._is_refreshing = self.session.is_stale = True
            self.session.cancelled.set()

    async def run(self) -> None:
        """Consume, over as many channels as it takes; returns after `drain`."""
        tail = asyncio.create_task(self._tail.run(self._processing)) if self._tail else None
        try:
            await self._consume()
        finally:
            if tail is not None:
                await asyncio.wait([tail], timeout=DRAIN_SECONDS if self._draining.is_set() else 0)
                await end_tasks(tail)

    async def _consume(self) -> None:
        shortest, longest = _RECONNECT_WAIT
        wait = shortest
        while not self._draining.is_set():
            try:
                with only_own_cancellation():
                    await self._tools.deps.db.ping()
                    await self._live()
            except Exception as error:  # noqa: BLE001 - the supervisor: a consumer is never lost to an error
                self._is_refreshing = False
                _log.warning("consumer rebuilt", consumer=self.consumer.name, error=repr(error), seconds=wait)
                await wait_until(self._draining, wait)
                wait = shortest if self._lived_well() else min(wait * 2, longest)

    def _lived_well(self) -> bool:
        return asyncio.get_running_loop().time() - self._subscribed_at > _RECONNECT_WAIT[1] * 2

    async def _live(self) -> None:
        session = await self._open()
        processor = self._processor(session)
        lanes = [asyncio.create_task(self._run_lane(lane, processor, session)) for lane in session.lanes]
        acks = asyncio.create_task(session.window.answer_late())
        try:
            await self._subscribe(session)
            self.session = session
            self._is_refreshing = False
            await self._until_it_ends(session, lanes, acks)
        finally:
            self.session = None
            await end_tasks(*lanes, acks)
            with contextlib.suppress(*BROKER_ERRORS):
                await session.channel.close(ChannelClosed(0, "the consumer ends"), timeout=5)

    async def _open(self) -> Session:
        channel = await DeliveryChannel.over(await self._tools.connection.transport())
        lanes: list[Lane] = [asyncio.Queue() for _ in range(self.consumer.lanes)]
        # Only what commits a batch together gains by a fuller one.
        turns = Turns(LINGER if isinstance(self.consumer, Consumer) else 0.0)
        return Session(channel, AckWindow(channel), lanes, turns)

    async def _subscribe(self, session: Session) -> None:
        session.is_probing = self._breaker.is_open
        name, channel = self.consumer.name, session.channel
        await channel.basic_qos(prefetch_count=1 if session.is_probing else PREFETCH, timeout=CONNECT_TIMEOUT)
        channel.on_consumer_cancel_callbacks.add(lambda _: session.cancelled.set())
        await channel.queue_declare(name, passive=True, timeout=CONNECT_TIMEOUT)
        self._subscribed_at = session.last_delivery_at = asyncio.get_running_loop().time()
        consuming = await channel.basic_consume(name, session.take, timeout=CONNECT_TIMEOUT)
        session.consumer_tag = consuming.consumer_tag or ""
        if not self._is_refreshing:
            _log.info("consuming", consumer=name)

    async def _until_it_ends(
        self, session: Session, lanes: list[asyncio.Task[None]], acks: asyncio.Task[None]
    ) -> None:
        ends: list[asyncio.Future[Any]] = [
            session.channel.closing,
            asyncio.create_task(session.cancelled.wait()),
            asyncio.create_task(self._draining.wait()),
        ]
        try:
            await asyncio.wait([*ends, *lanes, acks], return_when=asyncio.FIRST_COMPLETED)
            for task in (*lanes, acks):
                if task.done():
                    task.result()
            if not (self._draining.is_set() or session.is_stale):
                raise ConsumerStopped("the broker ended the channel or the subscription")
            await self._finish(session, lanes)
        finally:
            for end in ends:
                end.cancel()

    async def _finish(self, session: Session, lanes: list[asyncio.Task[None]]) -> None:
        """Take no more; what was delivered is finished and acknowledged, within 25 seconds."""
        await session.channel.basic_cancel(session.consumer_tag, timeout=5)
        for lane in session.lanes:
            lane.put_nowait(None)
        _, unfinished = await asyncio.wait(lanes, timeout=DRAIN_SECONDS)
        await session.window.answer_all()
        log = _log.debug if session.is_stale else _log.info
        log("drained", consumer=self.consumer.name, unfinished=len(unfinished), in_hand=len(session.window))

    async def _run_lane(self, lane: Lane, processor: Processor, session: Session) -> None:
        ended = False
        while not ended:
            async with session.turns.batch(lane) as (pending, ended):
                while pending:
                    try:
                        await processor.process(pending)
                    except DatabaseAway as away:
                        await self._wait_for_database(away)
            if session.is_probing and not self._breaker.is_open:
                self.resubscribe()

    async def _wait_for_database(self, away: DatabaseAway) -> None:
        """Keep what is in hand until the database answers; give it back to the queue after a minute."""
        _log.warning("paused: the database is away", consumer=self.consumer.name, error=repr(away.__cause__))
        wait = 0.1
        async with asyncio.timeout(OUTAGE_PATIENCE):
            while True:
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
                with contextlib.suppress(Exception):
                    await self._tools.deps.db.ping()
                    return

    def _processor(self, session: Session) -> Processor:
        return Processor(self.consumer, self._processing, settle=session.settle, reject=session.reject)


def handling_of(consumer: AnyConsumer, tools: ConsumerTools, tail: Tail | None = None) -> Handling:
    """The way a kind of consumer applies messages; raises `TypeError` for a kind unknown here."""
    deps, deadline = tools.deps, tools.handler_deadline
    if isinstance(consumer, Consumer):
        if tail is not None:
            return StrictHandling(consumer, deps, deadline, rules=tools.stream_rules, go_on=tail.wake)
        return TransactionalHandling(consumer, deps, deadline)
    if isinstance(consumer, EffectConsumer):
        return EffectHandling(consumer, deps, deadline)
    raise TypeError(f"{type(consumer).__name__} is no kind of consumer")


def _tail_of(consumer: AnyConsumer, tools: ConsumerTools, failures: FailureWay) -> Tail | None:
    """What keeps a strict consumer's parked events going; None for every other consumer."""
    if not isinstance(consumer, Consumer) or consumer.gate is not Gate.STRICT:
        return None
    database, rules = tools.deps.db, tools.stream_rules
    gaps = GapWatch(consumer, database, tools.publisher, failures, rules)
    return Tail(consumer, ParkedEvents(database, consumer.name), gaps, sweep_every=rules.sweep_every)
