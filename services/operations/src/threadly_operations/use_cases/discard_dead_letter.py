"""Give a dead letter up for good, with a reason."""

from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import Invalid, NotFound
from threadly_contracts.operations import DeadLetterDiscarded

from ..domain.dead_letter import check_discardable
from ..domain.status import Status
from ..storage import audit, dead_letters
from ..storage.dead_letters import Selection


class ReasonMissing(Invalid):
    """A discard says why."""

    code = "reason_missing"
    title = "Say why it is discarded"


async def discard_dead_letter(
    tx: Transaction, dead_letter_id: UUID, *, clock: Clock, actor: str, reason: str
) -> None:
    """Discard one letter; it stays readable. Raises `ReasonMissing`, `NotFound` or `NotDiscardable`."""
    if not reason.strip():
        raise ReasonMissing
    rows = await dead_letters.lock(tx.session, Selection(ids=(dead_letter_id,)), limit=1)
    if not rows:
        raise NotFound("There is no such dead letter.")
    [row] = rows
    check_discardable(Status(row.status))
    row.status = Status.DISCARDED
    row.row_version += 1
    row.updated_at = clock.now()
    await audit.write_down(
        tx.session,
        [row.id],
        actor=actor,
        action="discard",
        reason=reason,
        now=clock.now(),
        replay_id=row.replay_id,
    )
    if event_id := _event_id(row.message_key):
        # A strict reader waits for this message; now it goes on behind it.
        discarded = DeadLetterDiscarded(event_id=event_id, consumer=row.consumer, discarded_at=clock.now())
        await tx.publish(discarded, version=row.row_version)


def _event_id(message_key: str) -> UUID | None:
    """The event that a letter is about; None when it could not say, and so belongs to no stream."""
    try:
        return UUID(message_key)
    except ValueError:
        return None
