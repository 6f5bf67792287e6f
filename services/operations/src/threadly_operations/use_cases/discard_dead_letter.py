"""Give a dead letter up for good, with a reason."""

from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound
from threadly_contracts.operations import DeadLetterDiscarded

from ..domain.dead_letter import check_discardable, check_reason, check_unchanged, parse_event_id
from ..domain.status import Status
from ..storage import audit, dead_letters
from ..storage.dead_letters import Selection


async def discard_dead_letter(
    tx: Transaction,
    dead_letter_id: UUID,
    *,
    clock: Clock,
    actor: str,
    reason: str,
    row_version: int | None = None,
) -> None:
    """Discard one letter; it stays readable. `row_version` is the one that the operator saw.

    Raises `ReasonMissing`, `NotFound`, `LetterChanged` or `NotDiscardable`.
    """
    check_reason(reason)
    rows = await dead_letters.lock(tx.session, Selection(ids=(dead_letter_id,)), limit=1)
    if not rows:
        raise NotFound("There is no such dead letter.")
    [row] = rows
    check_unchanged(row_version, row.row_version, Status(row.status))
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
    if event_id := parse_event_id(row.message_key):
        # A strict reader waits for this message; now it goes on behind it.
        discarded = DeadLetterDiscarded(event_id=event_id, consumer=row.consumer, discarded_at=clock.now())
        await tx.publish(discarded, version=row.row_version)
