"""Take every consumer's dead letters out of the broker and into the table."""

from collections.abc import Sequence

from sqlalchemy import select

from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.observability.logging import get_logger

from ..dependencies import OperationsDeps
from ..domain.replay import Outcome
from ..storage import dead_letters, replays
from ..storage.tables import ConsumerRow

_log = get_logger(__name__)


async def gather_dead_letters(deps: OperationsDeps) -> None:
    """Empty every dead-letter queue that is known; a letter is acknowledged once it is stored (F19)."""
    async with deps.db.read() as session:
        consumers = list(await session.scalars(select(ConsumerRow.name).order_by(ConsumerRow.name)))
    for consumer in consumers:
        await _gather(deps, consumer)


async def _gather(deps: OperationsDeps, consumer: str) -> None:
    async def store(messages: Sequence[StoredMessage]) -> None:
        async with deps.db.transaction() as tx:
            for message in messages:
                taken = await dead_letters.take_in(tx.session, consumer, message, deps.clock.now())
                if taken:
                    await replays.note_outcome(tx.session, taken.replay_id, taken.letter, Outcome.FAILED)
                    _log.warning("dead letter", consumer=consumer, dead_letter_id=str(taken.letter))

    while await deps.taker.take(consumer, store):
        pass
