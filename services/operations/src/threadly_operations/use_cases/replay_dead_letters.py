"""Decide that dead letters go back to their consumers; the worker sends them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound
from threadly_chassis.ids import new_id

from ..domain.dead_letter import NotReplayable, check_replayable, check_unchanged, is_replayable
from ..domain.replay import DEFAULT_TERMS, ReplayStatus, Terms
from ..domain.status import Status
from ..storage import audit, dead_letters, replays
from ..storage.dead_letters import Selection, Standing
from ..storage.tables import ReplayRow

#: One decision takes at most this many; a larger one is made in several.
MAX_SELECTION = 100_000


@dataclass(frozen=True, slots=True)
class Replay:
    """What was decided: the replay's id, and the letters it takes along."""

    replay_id: UUID
    dead_letter_ids: tuple[UUID, ...]


async def replay_dead_letters(  # noqa: PLR0913 - the parts of one decision, each by its name
    tx: Transaction,
    selection: Selection,
    *,
    clock: Clock,
    actor: str,
    reason: str,
    terms: Terms = DEFAULT_TERMS,
    dry_run: bool = False,
    discarded: bool = False,
    row_version: int | None = None,
) -> Replay:
    """Mark the selected letters for replay on these terms, and write down who wanted it.

    It takes what is open, and with `discarded` what was discarded, too; of a single letter, `row_version` is
    the one that the operator saw. Raises `NotFound` when nothing fits, and when a single letter was meant
    `LetterChanged` or `NotReplayable`. With `dry_run` nothing is changed.
    """
    chosen = await _choose(tx, selection, discarded=discarded, row_version=row_version)
    if dry_run:
        return Replay(new_id(), tuple(each.letter for each in chosen))
    return await begin_replay(tx, chosen, now=clock.now(), actor=actor, reason=reason, terms=terms)


async def begin_replay(  # noqa: PLR0913 - as above
    tx: Transaction,
    chosen: Sequence[Standing],
    *,
    now: datetime,
    actor: str,
    reason: str,
    terms: Terms = DEFAULT_TERMS,
    action: str = "replay",
    edit_id: UUID | None = None,
) -> Replay:
    """Mark letters that the caller has locked for replay, and write down who did what to them."""
    decided = Replay(new_id(), tuple(each.letter for each in chosen))
    replay = ReplayRow(
        id=decided.replay_id,
        status=ReplayStatus.RUNNING,
        rate=terms.rate,
        stop_failures=terms.rule.failures,
        stop_window=terms.rule.window,
        selected=len(chosen),
        reason=reason,
        requested_by=actor,
        requested_at=now,
        stopped_because="",
    )
    await replays.begin(tx.session, replay, chosen, now)
    await audit.write_down(
        tx.session,
        decided.dead_letter_ids,
        actor=actor,
        action=action,
        reason=reason,
        now=now,
        replay_id=replay.id,
        edit_id=edit_id,
    )
    return decided


async def _choose(
    tx: Transaction, selection: Selection, *, discarded: bool, row_version: int | None
) -> list[Standing]:
    """Lock what is to be replayed, and say where it stands. Raises as `replay_dead_letters` does."""
    # Of a group only what is open: the limit is not to be used up by letters that were resolved long ago.
    wanted = selection if selection.ids else replace(selection, status=Status.OPEN)
    found = await dead_letters.lock_standings(tx.session, wanted, limit=MAX_SELECTION)
    if len(selection.ids) == 1 and found:
        check_unchanged(row_version, found[0].row_version, found[0].status)
        check_replayable(found[0].status, discarded=discarded)
    chosen = [each for each in found if is_replayable(each.status, discarded=discarded)]
    if chosen:
        return chosen
    if await dead_letters.newest(tx.session, selection, before=None, limit=1):
        raise NotReplayable("None of them is open.")
    raise NotFound("No dead letter fits.")
