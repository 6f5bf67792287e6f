"""Give a letter its edited body and replay it."""

from datetime import datetime

from threadly_chassis.db import Transaction

from ..domain.edit import EditStatus
from ..domain.status import Status
from ..storage.dead_letters import Standing
from ..storage.tables import DeadLetterRow, LetterEditRow
from .replay_dead_letters import begin_replay


async def apply_edit(
    tx: Transaction,
    letter: DeadLetterRow,
    edit: LetterEditRow,
    *,
    now: datetime,
    actor: str,
    action: str,
    reason: str,
) -> None:
    """Replay a letter, which the caller has locked and checked, with its edited body.

    One commit holds the body, the replay and the audit entry, so a sender finds all of them or none.
    """
    letter.body = edit.after
    standing = Standing(letter.id, Status(letter.status), letter.row_version)
    replay = await begin_replay(
        tx, [standing], now=now, actor=actor, reason=reason, action=action, edit_id=edit.id
    )
    edit.status, edit.replay_id = EditStatus.APPLIED, replay.replay_id
