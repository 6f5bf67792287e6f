"""Approve or reject a proposed edit."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound

from ..domain.edit import EditStale, EditStatus, check_decidable, check_second_person
from ..storage import audit, edits
from ..storage.tables import DeadLetterRow, LetterEditRow
from .apply_edit import apply_edit


async def approve_edit(tx: Transaction, edit_id: UUID, *, clock: Clock, actor: str, reason: str = "") -> None:
    """Give the letter the proposed body and replay it; without a reason of its own, for that of the edit.

    Raises `NotFound`, `EditDecided`, `SecondPersonNeeded` to whoever proposed it, and `EditStale` when the
    letter has changed since.
    """
    edit, letter = await _take_up(tx, edit_id)
    check_second_person(edit.edited_by, actor)
    if letter.row_version != edit.row_version:
        raise EditStale(f"It is {letter.status} now. Look at it again, and propose an edit of what it is.")
    now = clock.now()
    _decide(edit, actor, reason, now)
    reason = reason or edit.reason
    await apply_edit(tx, letter, edit, now=now, actor=actor, action="approve_edit", reason=reason)


async def reject_edit(tx: Transaction, edit_id: UUID, *, clock: Clock, actor: str, reason: str = "") -> None:
    """Leave the letter as it is; whoever proposed the edit may take it back this way, too.

    Raises `NotFound` or `EditDecided`.
    """
    edit, letter = await _take_up(tx, edit_id)
    now = clock.now()
    _decide(edit, actor, reason, now)
    edit.status = EditStatus.REJECTED
    await audit.write_down(
        tx.session,
        [letter.id],
        actor=actor,
        action="reject_edit",
        reason=reason,
        now=now,
        replay_id=None,
        edit_id=edit.id,
    )


async def _take_up(tx: Transaction, edit_id: UUID) -> tuple[LetterEditRow, DeadLetterRow]:
    found = await edits.lock(tx.session, edit_id)
    if found is None:
        raise NotFound("There is no such edit.")
    check_decidable(EditStatus(found[0].status))
    return found


def _decide(edit: LetterEditRow, actor: str, reason: str, now: datetime) -> None:
    edit.decided_by, edit.decided_at, edit.decision_reason = actor, now, reason
