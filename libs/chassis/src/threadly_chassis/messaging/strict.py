"""One try at the messages of a consumer with `Gate.STRICT`: each stream's events in contiguous versions.

What it is not yet the turn of is parked; what fails when its turn has come becomes the head of its stream.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import ValidationError

from ..db import Transaction
from . import inbox
from .context import Context
from .delivery import Delivery, Envelope, Received
from .fault_points import CONSUMER_BEFORE_COMMIT, STREAM_BEFORE_BLOCK, fault_point
from .handling import HasDatabase, acting, count_outcome, facts, tell_replayer
from .outcome import HANDLER_DEADLINE, within_deadline
from .streams import Forked, StreamRules, StreamStore, Turn, VersionTaken, stream_key
from .subscriptions import Consumer


class _Batch:
    """One transaction's view: the streams under lock, what was applied before, and what becomes of it."""

    def __init__(self, tx: Transaction, consumer: str) -> None:
        self.tx = tx
        self.store = StreamStore(tx.session, consumer)
        self.applied: set[UUID] = set()
        self.applied_now: list[UUID] = []
        self._consumer = consumer

    async def open(self, events: Sequence[Envelope]) -> None:
        await self.store.lock({stream_key(event) for event in events})
        self.applied = await self.store.applied({event.event_id for event in events})

    def note_applied(self, event: Envelope) -> None:
        self.store.streams[stream_key(event)].move(event)
        self.applied.add(event.event_id)
        self.applied_now.append(event.event_id)

    async def close(self) -> None:
        if self.applied_now:
            await inbox.mark(self.tx.session, self._consumer, self.applied_now, may_be_forgotten=True)
            await self.store.unpark(self.applied_now)
        await self.store.save()

    def may_go_on(self) -> bool:
        """Whether something is parked that the next version may be among."""
        return any(stream.moved and stream.parked for stream in self.store.streams.values())


class StrictHandling:
    """A whole batch in one transaction, as `TransactionalHandling`, plus the streams' order.

    `go_on` is called after a commit behind which parked events may have their turn.
    """

    def __init__(
        self,
        consumer: Consumer,
        deps: HasDatabase,
        deadline: float = HANDLER_DEADLINE,
        *,
        rules: StreamRules,
        go_on: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._name = consumer.name
        self._deps = deps
        self._deadline = deadline
        self._rules = rules
        self._go_on = go_on

    async def apply(self, batch: Sequence[Received]) -> int:
        """Apply or park the batch; returns how many handlers ran; raises what the first failing raised."""
        ordered = in_version_order(batch)
        async with self._deps.db.transaction() as tx:
            work = _Batch(tx, self._name)
            await work.open([received.envelope for received in batch])
            outcomes = [await self._apply_one(work, received) for received in ordered]
            await work.close()
            fault_point(CONSUMER_BEFORE_COMMIT)
        for received, outcome in zip(ordered, outcomes, strict=True):
            count_outcome(self._name, received, outcome)
        if work.may_go_on():
            self._go_on()
        return len(work.applied_now)

    async def _apply_one(self, work: _Batch, received: Received) -> str:
        event = received.envelope
        stream = work.store.streams[stream_key(event)]
        if event.event_id in work.applied:
            await tell_replayer(work.tx, self._name, received)
            if event.version == stream.version + 1 and stream.blocked_by is None:
                # The consumer had another gate before: what it applied then counts as applied in order.
                stream.move(event)
            return "duplicate"
        turn = stream.turn_of(event)
        if turn is Turn.OVER:
            return "duplicate"
        if turn is Turn.LATER:
            await work.store.park(received.delivery, event, self._rules.parked_max)
            return "parked"
        with acting(self._name, received):
            handler = self._consumer.handlers[type(received.event)]
            context = Context(tx=work.tx, **facts(received, self._deps))
            await within_deadline(handler(received.event, context), self._deadline)
        work.note_applied(event)
        await tell_replayer(work.tx, self._name, received)
        return "applied"

    @asynccontextmanager
    async def giving_way(self, delivery: Delivery) -> AsyncIterator[bool]:
        """Surround the republishing of a failed message; gives whether it is to be republished at all.

        When its turn had come it is its stream's head from now on. When it had not (it could not even be
        read), it is parked, and fails again when its turn has come.
        """
        event = envelope_of(delivery)
        if event is None:
            yield True
            return
        async with self._deps.db.transaction() as tx:
            work = _Batch(tx, self._name)
            await work.open([event])
            gives_way = event.event_id not in work.applied and await self._hold_up(work, delivery, event)
            yield gives_way
            if gives_way:
                await work.store.unpark([event.event_id])
            await work.store.save()
            fault_point(STREAM_BEFORE_BLOCK)

    async def _hold_up(self, work: _Batch, delivery: Delivery, event: Envelope) -> bool:
        stream = work.store.streams[stream_key(event)]
        try:
            turn = stream.turn_of(event)
        except VersionTaken:
            return True
        except Forked:
            turn = Turn.NOW
        if turn is Turn.NOW:
            stream.block(event)
        elif turn is Turn.LATER:
            await work.store.park(delivery, event, self._rules.parked_max)
        return turn is Turn.NOW


def in_version_order(batch: Iterable[Received]) -> list[Received]:
    """The batch with each stream's events in order."""
    return sorted(batch, key=lambda received: (received.envelope.epoch, received.envelope.version))


def envelope_of(delivery: Delivery) -> Envelope | None:
    """What the headers say; None when they cannot be read, and so no stream is known."""
    try:
        return Envelope.model_validate(delivery.headers)
    except ValidationError:
        return None
