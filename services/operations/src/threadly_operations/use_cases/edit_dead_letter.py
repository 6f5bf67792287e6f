"""Change what a dead letter says, and replay it so; of money, only propose that."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound
from threadly_chassis.ids import new_id
from threadly_chassis.outbox.append import MAX_BODY_BYTES, EventTooLarge
from threadly_contracts import Registry

from ..domain.dead_letter import check_reason, check_unchanged
from ..domain.edit import Change, EditStatus, check_contract, check_editable, needs_second_person
from ..domain.status import Status
from ..storage import audit, dead_letters
from ..storage.dead_letters import Selection
from ..storage.tables import DeadLetterRow, LetterEditRow
from .apply_edit import apply_edit


async def edit_dead_letter(  # noqa: PLR0913 - the parts of one decision, each by its name
    tx: Transaction,
    dead_letter_id: UUID,
    change: Change,
    *,
    row_version: int,
    clock: Clock,
    contracts: Registry,
    actor: str,
    reason: str,
) -> UUID:
    """Edit one open letter as it was in `row_version`, and return the edit's id.

    It is replayed at once, under its own event id; an edit of an event about money waits for a second person.
    Raises `ReasonMissing`, `NotFound`, `LetterChanged`, `NotEditable`, `EventTooLarge`, and what
    `Change.apply` and `check_contract` raise.
    """
    check_reason(reason)
    rows = await dead_letters.lock(tx.session, Selection(ids=(dead_letter_id,)), limit=1)
    if not rows:
        raise NotFound("There is no such dead letter.")
    [letter] = rows
    check_unchanged(row_version, letter.row_version, Status(letter.status))
    check_editable(Status(letter.status), letter.message_key)
    after = change.apply(letter.body)
    if len(after) > MAX_BODY_BYTES:
        raise EventTooLarge(f"The body would have {len(after)} bytes, {MAX_BODY_BYTES} are allowed.")
    check_contract(contracts, letter.event_type, letter.subject, letter.body, after)
    now = clock.now()
    edit = _edit(letter, after, actor, reason, now)
    tx.session.add(edit)
    if needs_second_person(letter.event_type):
        await _propose(tx, letter, edit)
    else:
        await apply_edit(tx, letter, edit, now=now, actor=actor, action="edit", reason=reason)
    return edit.id


def _edit(letter: DeadLetterRow, after: bytes, actor: str, reason: str, now: datetime) -> LetterEditRow:
    return LetterEditRow(
        id=new_id(),
        dead_letter_id=letter.id,
        # It moves with the edit: whoever decides from what was seen before is told so.
        row_version=letter.row_version + 1,
        status=EditStatus.PROPOSED,
        before=letter.body,
        after=after,
        reason=reason,
        edited_by=actor,
        edited_at=now,
        decision_reason="",
    )


async def _propose(tx: Transaction, letter: DeadLetterRow, edit: LetterEditRow) -> None:
    letter.row_version, letter.updated_at = edit.row_version, edit.edited_at
    await audit.write_down(
        tx.session,
        [letter.id],
        actor=edit.edited_by,
        action="propose_edit",
        reason=edit.reason,
        now=edit.edited_at,
        replay_id=None,
        edit_id=edit.id,
    )
