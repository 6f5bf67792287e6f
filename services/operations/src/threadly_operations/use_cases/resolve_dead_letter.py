"""Believe a consumer that says it has applied a replayed message."""

from threadly_chassis.messaging import Context
from threadly_contracts.operations import DeadLetterResolved

from ..dependencies import OperationsDeps
from ..domain.replay import Outcome
from ..storage import dead_letters, replays


async def resolve_dead_letter(event: DeadLetterResolved, context: Context[OperationsDeps]) -> None:
    """Mark the letter as resolved, however often it is said."""
    session = context.tx.session
    known = await dead_letters.resolve(session, event.consumer, str(event.event_id), context.deps.clock.now())
    if known:
        await replays.note_outcome(session, known.replay_id, known.letter, Outcome.RESOLVED)
