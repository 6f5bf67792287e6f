"""Reading and changing replays, and what becomes of their letters."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Update, func, insert, select, update

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.replay import Outcome, ReplayStatus
from ..domain.status import Status
from .dead_letters import Standing
from .tables import DeadLetterRow, ReplayLetterRow, ReplayRow

#: Not `now()`, which is when the transaction began: a letter's time is when the broker had confirmed it.
_CLOCK = func.clock_timestamp()
_UNKNOWN = ReplayLetterRow.outcome.is_(None)
_UNSENT = ReplayLetterRow.sent_at.is_(None)


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A replay, and what has become of its letters so far."""

    replay: ReplayRow
    sent: int
    resolved: int
    failed_again: int
    withdrawn: int

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be heard of its letters."""
        return self.resolved + self.failed_again + self.withdrawn == self.replay.selected


_VIEW = (
    select(
        ReplayRow,
        func.count(ReplayLetterRow.sent_at),
        *(
            func.count().filter(ReplayLetterRow.outcome == outcome)
            for outcome in (Outcome.RESOLVED, Outcome.FAILED, Outcome.WITHDRAWN)
        ),
    )
    .outerjoin(ReplayLetterRow, ReplayLetterRow.replay_id == ReplayRow.id)
    .group_by(ReplayRow.id)
)


async def view(session: ReadSession, replay_id: UUID) -> ReplayView | None:
    """One replay as it stands; None when there is none of this id."""
    row = (await session.execute(_VIEW.where(ReplayRow.id == replay_id))).one_or_none()
    return _as_view(row) if row else None


async def newest(session: ReadSession, limit: int) -> list[ReplayView]:
    """The newest replays."""
    latest = select(ReplayRow.id).order_by(ReplayRow.requested_at.desc()).limit(limit)
    query = _VIEW.where(ReplayRow.id.in_(latest)).order_by(ReplayRow.requested_at.desc())
    return [_as_view(row) for row in await session.execute(query)]


def _as_view(row: Sequence[Any]) -> ReplayView:
    replay, sent, resolved, failed_again, withdrawn = row
    return ReplayView(replay, sent, resolved, failed_again, withdrawn)


async def begin(session: WriteSession, replay: ReplayRow, letters: Sequence[Standing], now: datetime) -> None:
    """Store a replay and take these letters, which the caller has locked, into it."""
    session.add(replay)
    taken = {"replay_id": replay.id, "refusals": 0}
    rows = [taken | {"dead_letter_id": each.letter, "taken_from": each.status} for each in letters]
    await session.execute(insert(ReplayLetterRow), rows)
    await session.execute(
        update(DeadLetterRow)
        .where(DeadLetterRow.id == ReplayLetterRow.dead_letter_id, ReplayLetterRow.replay_id == replay.id)
        .values(
            status=Status.REPLAYING,
            replay_id=replay.id,
            sent_at=None,
            row_version=DeadLetterRow.row_version + 1,
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )


async def running(session: ReadSession, limit: int) -> list[UUID]:
    """The replays that are not at their end, first those that have waited longest for a turn."""
    query = select(ReplayRow.id).where(ReplayRow.status == ReplayStatus.RUNNING)
    return list(await session.scalars(query.order_by(ReplayRow.due_at.asc().nulls_first()).limit(limit)))


async def lock_running(session: WriteSession, replay_id: UUID) -> tuple[ReplayRow, datetime] | None:
    """Lock a replay for its turn, with the time; None when it is not running."""
    query = select(ReplayRow, _CLOCK).where(
        ReplayRow.id == replay_id, ReplayRow.status == ReplayStatus.RUNNING
    )
    row = (await session.execute(query.with_for_update(of=ReplayRow))).one_or_none()
    return (row[0], row[1]) if row else None


async def newest_outcomes(session: ReadSession, replay_id: UUID, limit: int) -> list[Outcome]:
    """How the letters ended that were heard of last, the newest first."""
    query = (
        select(ReplayLetterRow.outcome)
        .where(ReplayLetterRow.replay_id == replay_id, ReplayLetterRow.outcome.is_not(None))
        .order_by(ReplayLetterRow.ended_at.desc())
        .limit(limit)
    )
    return [Outcome(outcome) for outcome in await session.scalars(query) if outcome]


async def has_unsent(session: ReadSession, replay_id: UUID) -> bool:
    """Whether a letter is still to be sent."""
    query = select(ReplayLetterRow.replay_id).where(ReplayLetterRow.replay_id == replay_id, _UNKNOWN, _UNSENT)
    return (await session.scalars(query.limit(1))).first() is not None


async def count_out(session: ReadSession, replay_id: UUID) -> int:
    """How many letters were sent and not heard of."""
    query = select(func.count()).where(ReplayLetterRow.replay_id == replay_id, _UNKNOWN, ~_UNSENT)
    return int(await session.scalar(query) or 0)


async def claim_unsent(session: WriteSession, replay_id: UUID, limit: int) -> list[DeadLetterRow]:
    """Lock the next letters to send; another sender skips them. Those that were refused come last."""
    query = (
        _unsent(select(DeadLetterRow), replay_id)
        .order_by(ReplayLetterRow.refusals, DeadLetterRow.id)
        .limit(limit)
        .with_for_update(of=DeadLetterRow, skip_locked=True)
    )
    return list(await session.scalars(query))


def _unsent(query: Select[tuple[DeadLetterRow]], replay_id: UUID) -> Select[tuple[DeadLetterRow]]:
    # What the letter's own row says is looked at again once it is locked: who comes second sees it sent.
    return query.join(ReplayLetterRow, ReplayLetterRow.dead_letter_id == DeadLetterRow.id).where(
        ReplayLetterRow.replay_id == replay_id,
        _UNKNOWN,
        _UNSENT,
        DeadLetterRow.replay_id == replay_id,
        DeadLetterRow.status == Status.REPLAYING,
        DeadLetterRow.sent_at.is_(None),
    )


def _letters(replay_id: UUID, letters: Collection[UUID]) -> Update:
    return (
        update(ReplayLetterRow)
        .where(ReplayLetterRow.replay_id == replay_id, ReplayLetterRow.dead_letter_id.in_(letters))
        .execution_options(synchronize_session=False)
    )


async def mark_sent(session: WriteSession, replay_id: UUID, letters: Collection[UUID]) -> None:
    """Note that the broker has confirmed these letters."""
    await session.execute(
        update(DeadLetterRow)
        .where(DeadLetterRow.id.in_(letters))
        .values(sent_at=_CLOCK)
        .execution_options(synchronize_session=False)
    )
    await session.execute(_letters(replay_id, letters).values(sent_at=_CLOCK))


async def mark_refused(session: WriteSession, replay_id: UUID, letters: Collection[UUID]) -> None:
    """Note that the broker has not taken these letters."""
    await session.execute(_letters(replay_id, letters).values(refusals=ReplayLetterRow.refusals + 1))


async def note_outcome(session: WriteSession, replay_id: UUID | None, letter: UUID, outcome: Outcome) -> None:
    """Note how a letter ended in a replay, unless that is known; a repetition changes nothing.

    Of whom one hears was sent, also when its sender died before it could say so.
    """
    if replay_id is None:
        return
    sent = func.coalesce(ReplayLetterRow.sent_at, _CLOCK)
    statement = _letters(replay_id, (letter,)).where(_UNKNOWN)
    await session.execute(statement.values(outcome=outcome, ended_at=_CLOCK, sent_at=sent))


async def withdraw_unsent(session: WriteSession, replay_id: UUID, now: datetime) -> int:
    """Put every letter that was not sent back to where it was taken from; returns how many."""
    mine = (ReplayLetterRow.replay_id == replay_id, _UNKNOWN, _UNSENT)
    await session.execute(
        update(DeadLetterRow)
        .where(
            DeadLetterRow.id == ReplayLetterRow.dead_letter_id,
            *mine,
            DeadLetterRow.replay_id == replay_id,
            DeadLetterRow.status == Status.REPLAYING,
            DeadLetterRow.sent_at.is_(None),
        )
        .values(status=ReplayLetterRow.taken_from, row_version=DeadLetterRow.row_version + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    # A sender that held some of them has committed by now: what is unsent still was put back above.
    withdrawn = await session.execute(
        update(ReplayLetterRow)
        .where(*mine)
        .values(outcome=Outcome.WITHDRAWN, ended_at=_CLOCK)
        .returning(ReplayLetterRow.dead_letter_id)
        .execution_options(synchronize_session=False)
    )
    return len(withdrawn.all())


async def rest(session: WriteSession, replay_id: UUID, time: timedelta) -> None:
    """Give a replay no turn for a time."""
    await session.execute(
        update(ReplayRow)
        .where(ReplayRow.id == replay_id)
        .values(due_at=_CLOCK + time)
        .execution_options(synchronize_session=False)
    )
