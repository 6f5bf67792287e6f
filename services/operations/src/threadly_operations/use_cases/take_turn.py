"""Decide whether a replay goes on, and how many of its letters go out now."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.observability.logging import get_logger

from ..domain.pace import LOOK_AGAIN, TURN_SECONDS, next_turn
from ..domain.replay import Outcome, ReplayStatus, StopRule
from ..storage import audit, replays
from ..storage.tables import ReplayRow

_log = get_logger(__name__)


async def take_turn(tx: Transaction, replay_id: UUID) -> tuple[int, float] | None:
    """Give a replay its turn: how many letters may be sent now, and the seconds until the next turn.

    None when there is nothing to send: it has ended, is stopped here, or waits to hear of what is out.
    The turn is used up when this commits, whatever becomes of the sender, so that senders share one rate.
    """
    locked = await replays.lock_running(tx.session, replay_id)
    if locked is None:
        return None
    replay, now = locked
    out = await replays.count_out(tx.session, replay_id)
    if not await replays.has_unsent(tx.session, replay_id):
        if out:
            replay.due_at = now + LOOK_AGAIN
        else:
            replay.status, replay.ended_at = ReplayStatus.DONE, now
        return None
    outcomes = await replays.newest_outcomes(tx.session, replay_id, replay.stop_window)
    if StopRule(replay.stop_failures, replay.stop_window).is_broken(replay.selected, outcomes):
        await _stop(tx, replay, outcomes, now)
        return None
    turn = next_turn(replay.due_at, now, replay.rate, out=out)
    replay.due_at = turn.next_at
    return turn.letters, max((turn.next_at - now).total_seconds(), TURN_SECONDS)


async def _stop(tx: Transaction, replay: ReplayRow, outcomes: list[Outcome], now: datetime) -> None:
    failed = outcomes.count(Outcome.FAILED)
    withdrawn = await replays.withdraw_unsent(tx.session, replay.id, now)
    replay.status, replay.ended_at = ReplayStatus.STOPPED, now
    replay.stopped_because = f"{failed} of the last {len(outcomes)} failed again"
    await audit.write_down(
        tx.session,
        [None],
        actor="operations",
        action="stop",
        reason=replay.stopped_because,
        now=now,
        replay_id=replay.id,
    )
    _log.warning(
        "replay stopped", replay_id=str(replay.id), because=replay.stopped_because, withdrawn=withdrawn
    )
