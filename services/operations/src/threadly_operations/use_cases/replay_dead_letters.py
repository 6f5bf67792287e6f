"""Decide that dead letters go back to their consumers; the worker sends them."""

from dataclasses import dataclass
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound
from threadly_chassis.ids import new_id

from ..domain.dead_letter import NotReplayable, check_replayable, is_replayable
from ..domain.status import Status
from ..storage import dead_letters
from ..storage.dead_letters import Selection

#: One decision takes at most this many; a larger one is made in several.
MAX_SELECTION = 1000


@dataclass(frozen=True, slots=True)
class Replay:
    """What was decided: the replay's id, and the letters it takes along."""

    replay_id: UUID
    dead_letter_ids: tuple[UUID, ...]


async def replay_dead_letters(
    tx: Transaction,
    selection: Selection,
    *,
    clock: Clock,
    actor: str,
    reason: str,
    dry_run: bool = False,
    discarded: bool = False,
) -> Replay:
    """Mark the selected letters for replay, and write down who wanted it.

    It takes what is open, and with `discarded` what was discarded, too. Raises `NotFound` when nothing fits,
    and `NotReplayable` when a single letter was meant that cannot be. With `dry_run` nothing is changed.
    """
    rows = await dead_letters.lock(tx.session, selection, limit=MAX_SELECTION)
    if not rows:
        raise NotFound("No dead letter fits.")
    if len(selection.ids) == 1:
        check_replayable(Status(rows[0].status), discarded=discarded)
    chosen = [row for row in rows if is_replayable(Status(row.status), discarded=discarded)]
    if not chosen:
        raise NotReplayable("None of them is open.")
    replay_id = new_id()
    if not dry_run:
        for row in chosen:
            row.status, row.replay_id, row.sent_at = Status.REPLAYING, replay_id, None
            row.row_version += 1
            row.updated_at = clock.now()
            dead_letters.audit(tx.session, row, actor=actor, action="replay", reason=reason, now=clock.now())
    return Replay(replay_id, tuple(row.id for row in chosen))
