"""Believe a consumer that says it has applied a replayed message."""

from threadly_chassis.messaging import Context
from threadly_contracts.operations import DeadLetterResolved

from ..dependencies import OperationsDeps
from ..storage import dead_letters


async def resolve_dead_letter(event: DeadLetterResolved, context: Context[OperationsDeps]) -> None:
    """Mark the letter as resolved, however often it is said."""
    await dead_letters.resolve(
        context.tx.session, event.consumer, str(event.event_id), context.deps.clock.now()
    )
