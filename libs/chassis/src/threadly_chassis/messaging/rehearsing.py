"""Rehearsing one letter: read it, look where it stands, run its handler where nothing lasts.

The handler is the real one, on the real data, in a transaction that is rolled back; what reaches outside is
replaced by stubs (ADR 26). Works for after the commit are not run.
"""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..context import ActionContext, begin_action
from ..db.staged import StagedDatabase, staged
from ..observability.tracing import span
from .context import Context, EffectContext
from .dead_letters import fingerprint, reason_of
from .delivery import Delivery, Received, read
from .faults import FailedOnPurpose, FaultSwitch
from .handling import HasDatabase, facts
from .outcome import Outcome, outcome_of, within_deadline
from .rehearsal import AT_MOST, Rehearsal, RehearsalOutcome, RowsWritten, WouldPublish
from .standing import standing
from .stubs import Calls, CurtainFell, Unclassified, stubs_for
from .subscriptions import AnyConsumer, Consumer, Subscriptions

#: Seconds that a rehearsed handler may take. Live ones have a minute; but the rows that a rehearsal has
#: written are locked until it ends, and live traffic waits for them.
REHEARSAL_DEADLINE = 10.0
_MAX_MESSAGE_CHARS = 300
#: Neither is the letter's fault.
_PASSING = {Outcome.TRY_AGAIN: "contention", Outcome.OUTAGE: "database-away"}


class Rehearsing:
    """Rehearses letters for the consumers of one service."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        deps: HasDatabase,
        faults: FaultSwitch,
        deadline: float = REHEARSAL_DEADLINE,
    ) -> None:
        self._consumers = {consumer.name: consumer for consumer in subscriptions}
        self._service = subscriptions.service
        self._deps: Any = deps
        self._faults = faults
        self._deadline = deadline

    async def rehearse(self, consumer: str, delivery: Delivery) -> Rehearsal:
        """Say what applying a letter would do; whatever goes wrong is in the answer."""
        known = self._consumers.get(consumer)
        if known is None:
            return refused(consumer, "unknown-consumer", f"{self._service} has no consumer {consumer}")
        calls = Calls()
        try:
            return await self._rehearse(known, delivery, calls)
        except Unclassified as error:
            return refused(consumer, error.code, f"{error.title}: {error.detail}")
        except Exception as error:  # noqa: BLE001 - the boundary: it is what was asked for
            return failed(consumer, error)

    async def _rehearse(self, consumer: AnyConsumer, delivery: Delivery, calls: Calls) -> Rehearsal:
        received = read(delivery, consumer)
        stubs = stubs_for(self._deps, calls)
        if await self._faults.is_set(consumer.name):
            raise FailedOnPurpose("the switch that makes it fail is set")
        async with staged(self._deps.db.engine) as db:
            async with db.read() as session:
                stands = await standing(session, consumer, received)
            if stands.outcome is not None:
                return Rehearsal(consumer=consumer.name, outcome=stands.outcome, reason=stands.reason)
            deps = replace(self._deps, db=db, **stubs)
            handling = self._handle(consumer, received, db, deps, overrules=stands.overrules)
            outcome = await self._play(consumer, received, db, handling, calls)
            return await _report(consumer.name, outcome, db, calls)

    async def _play(
        self,
        consumer: AnyConsumer,
        received: Received,
        db: StagedDatabase,
        handling: Awaitable[None],
        calls: Calls,
    ) -> RehearsalOutcome:
        """Run the handler; raises what it raised, unless that is for want of an answer from outside."""
        try:
            with _acting(consumer.name, received):
                await handling
        except (Exception, CurtainFell, BaseExceptionGroup):
            if not calls.curtain_fell:
                raise
        if calls.curtain_fell:
            return RehearsalOutcome.UNFINISHED
        await db.check_constraints()
        return RehearsalOutcome.WOULD_APPLY

    async def _handle(
        self, consumer: AnyConsumer, received: Received, db: StagedDatabase, deps: Any, *, overrules: bool
    ) -> None:
        event, handler = received.event, consumer.handlers[type(received.event)]
        if isinstance(consumer, Consumer):
            async with db.transaction() as tx:
                handling = handler(event, Context(tx=tx, overrules=overrules, **facts(received, deps)))
                await within_deadline(handling, self._deadline)
        else:
            handling = handler(event, EffectContext(**facts(received, deps)))
            await within_deadline(handling, self._deadline)


@contextmanager
def _acting(consumer: str, received: Received) -> Iterator[None]:
    """Make the rehearsal the action under way: no step of the letter's own trace, and nothing to report."""
    envelope = received.envelope
    action = ActionContext(
        operation=f"{consumer} (rehearsal)",
        correlation_id=envelope.correlation_id,
        causation_id=str(envelope.event_id),
        is_rehearsal=True,
    )
    begin_action(action)
    try:
        with span(f"{consumer} rehearse"):
            yield
    finally:
        begin_action(ActionContext())


async def _report(consumer: str, outcome: RehearsalOutcome, db: StagedDatabase, calls: Calls) -> Rehearsal:
    rows = [RowsWritten(table=table, **written._asdict()) for table, written in (await db.written()).items()]
    events = [WouldPublish(type=each.type, subject=each.subject, version=each.version) for each in db.events]
    return Rehearsal(
        consumer=consumer,
        outcome=outcome,
        rows=tuple(rows),
        events=tuple(events[:AT_MOST]),
        calls=tuple(calls.made[:AT_MOST]),
        left_out=max(len(events) - AT_MOST, 0) + max(len(calls.made) - AT_MOST, 0),
    )


def failed(consumer: str, error: Exception) -> Rehearsal:
    """The answer about a letter that ended in an error."""
    end = outcome_of(error)
    passing = _PASSING.get(end)
    return Rehearsal(
        consumer=consumer,
        outcome=RehearsalOutcome.BUSY if passing else RehearsalOutcome.FAILED,
        reason=passing or reason_of(error),
        exception=f"{type(error).__module__}.{type(error).__qualname__}",
        message=str(error)[:_MAX_MESSAGE_CHARS],
        fingerprint=fingerprint(error),
        permanent=end is Outcome.DEAD_LETTER,
    )


def refused(consumer: str, reason: str, message: str) -> Rehearsal:
    """The answer about a letter that cannot be rehearsed."""
    return Rehearsal(consumer=consumer, outcome=RehearsalOutcome.REFUSED, reason=reason, message=message)
