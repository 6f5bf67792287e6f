"""Where an event stands with its consumer, only looked at: no lock, no mark, nothing that others wait for.

What `handling` and `strict` decide under locks, for those who only ask. It is the truth of a moment: live
traffic may change it before the answer is read.
"""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from . import inbox
from .delivery import Envelope, Received
from .forked import shows_fork
from .rehearsal import RehearsalOutcome
from .streams import StreamStore, StrictStream, Turn, stream_key
from .subscriptions import AnyConsumer, Consumer, Gate

_LATEST = text(
    "select epoch, version, last_event_id from inbox_stream "
    "where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id"
)
_STRICT = text(
    "select epoch, version, last_event_id, blocked_by, blocked_version, parked, gap_head from inbox_stream "
    "where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id"
)


class Standing(NamedTuple):
    """An end that an event comes to without its handler, and what it waits for if it does."""

    outcome: RehearsalOutcome | None = None
    """None: it is its handler's turn."""
    reason: str = ""
    overrules: bool = False
    """What was applied before is to give way (`Context.overrules`)."""


async def standing(session: AsyncSession, consumer: AnyConsumer, received: Received) -> Standing:
    """Say what keeps an event from its handler, if anything does.

    Raises as the consumer itself would: `WindowExpired`, `VersionTaken`, `Forked`.
    """
    event = received.envelope
    gate = consumer.gate if isinstance(consumer, Consumer) else Gate.NONE
    if gate is Gate.STRICT:
        return await _strict(session, consumer.name, event)
    again = consumer.rebuildable and event.rebuild_id is not None
    if await _is_marked(session, consumer.name, event, gate) and not again:
        return Standing(RehearsalOutcome.DUPLICATE)
    if gate is Gate.LATEST:
        row = (await session.execute(_LATEST, _place(consumer.name, event))).first()
        if row is not None:
            stream = inbox.Stream(*row)
            if stream.is_stale(event.epoch, event.version, again=again):
                return Standing(RehearsalOutcome.STALE)
            return Standing(overrules=shows_fork(received, stream))
    return Standing()


async def _is_marked(session: AsyncSession, consumer: str, event: Envelope, gate: Gate) -> bool:
    try:
        return await inbox.is_marked(session, consumer, event.event_id)
    except inbox.WindowExpired:
        if gate is Gate.NONE:
            raise
        # The version gate still knows.
        return False


async def _strict(session: AsyncSession, consumer: str, event: Envelope) -> Standing:
    if await StreamStore(session, consumer).applied([event.event_id]):
        return Standing(RehearsalOutcome.DUPLICATE)
    row = (await session.execute(_STRICT, _place(consumer, event))).first()
    # A stream begins at version 0, where `StreamStore.lock` makes it begin.
    stream = StrictStream(stream_key(event), *(row or (0, 0, None, None, None, 0, None)))
    match stream.turn_of(event):
        case Turn.OVER:
            return Standing(RehearsalOutcome.DUPLICATE)
        case Turn.LATER:
            return Standing(RehearsalOutcome.PARKED, "head" if stream.blocked_by else "gap")
        case Turn.NOW:
            return Standing()


def _place(consumer: str, event: Envelope) -> dict[str, str]:
    return {"consumer": consumer, "agg_type": event.aggregate, "agg_id": event.subject}
