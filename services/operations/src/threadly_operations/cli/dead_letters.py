"""What `threadly dlq …` does."""

import asyncio
import time
from uuid import UUID

from rich.table import Column, Table

from ..domain.status import Status
from ..storage import dead_letters
from ..storage.dead_letters import Selection
from ..storage.tables import DeadLetterRow
from ..use_cases.discard_dead_letter import discard_dead_letter
from ..use_cases.replay_dead_letters import Replay, replay_dead_letters
from .running import Tools, fail, operator, out, run

_ABOUT_THE_EVENT = (
    "id",
    "consumer",
    "status",
    "event_type",
    "aggregate",
    "subject",
    "version",
    "reason",
    "exception",
)
_ABOUT_THE_FAILURE = (
    "message",
    "attempts",
    "occurrences",
    "first_failed_at",
    "last_failed_at",
    "trace_id",
    "release",
    "host",
)


def list_letters(wanted: Selection, limit: int) -> None:
    """Print the selected letters, newest first."""

    async def work(tools: Tools) -> list[DeadLetterRow]:
        async with tools.db.read() as session:
            return await dead_letters.newest(session, wanted, before=None, limit=limit)

    rows = run(work)
    ids = Column("id", no_wrap=True), Column("consumer", no_wrap=True)
    table = Table(*ids, "event", "status", "tries", "reason", "trace", box=None)
    for row in rows:
        reason = f"{row.reason}: {row.message}" if row.message else row.reason
        tries = str(row.attempts)
        table.add_row(str(row.id), row.consumer, row.event_type, row.status, tries, reason[:80], row.trace_id)
    if rows:
        out.print(table, soft_wrap=True)
    out.print(_counted(len(rows)))


def _counted(count: int) -> str:
    return f"{count} dead letter{'' if count == 1 else 's'}"


def show_letter(letter: UUID) -> None:
    """Print one letter whole."""

    async def work(tools: Tools) -> DeadLetterRow | None:
        async with tools.db.read() as session:
            return await session.get(DeadLetterRow, letter)

    row = run(work)
    if row is None:
        fail("there is no such dead letter")
    for name in (*_ABOUT_THE_EVENT, *_ABOUT_THE_FAILURE):
        out.print(f"[bold]{name:16}[/bold]{getattr(row, name)}", highlight=False)
    for name, text in (("body", row.body.decode(errors="replace")), ("stack", row.stack)):
        out.print(f"[bold]{name}[/bold]")
        out.print(text, markup=False, highlight=False)


def replay_letters(wanted: Selection, *, reason: str, dry_run: bool, discarded: bool, wait: float) -> None:
    """Send the selected letters back, or say which; then wait until they are applied, if asked to."""

    async def work(tools: Tools) -> Replay:
        async with tools.db.transaction() as tx:
            return await replay_dead_letters(
                tx,
                wanted,
                clock=tools.clock,
                actor=operator(),
                reason=reason,
                dry_run=dry_run,
                discarded=discarded,
            )

    decided = run(work)
    out.print(f"{'would replay' if dry_run else 'replaying'} {_counted(len(decided.dead_letter_ids))}")
    if wait and not dry_run:
        _wait_until_settled(decided, wait)


def _wait_until_settled(decided: Replay, seconds: float) -> None:
    wanted = Selection(ids=decided.dead_letter_ids)

    async def work(tools: Tools) -> dict[UUID, str]:
        end = time.monotonic() + seconds
        while True:
            async with tools.db.read() as session:
                rows = await dead_letters.newest(session, wanted, before=None, limit=len(wanted.ids))
            states = {row.id: row.status for row in rows}
            if Status.REPLAYING not in states.values() or time.monotonic() > end:
                return states
            await asyncio.sleep(0.2)

    states = run(work)
    resolved = sum(state == Status.RESOLVED for state in states.values())
    out.print(f"{resolved} of {len(states)} resolved")
    if resolved < len(states):
        fail("not all were applied; see threadly dlq list")


def discard_letter(letter: UUID, reason: str) -> None:
    """Give one letter up for good."""

    async def work(tools: Tools) -> None:
        async with tools.db.transaction() as tx:
            await discard_dead_letter(tx, letter, clock=tools.clock, actor=operator(), reason=reason)

    run(work)
    out.print("discarded")


def list_groups() -> None:
    """Print how many letters are open, by consumer and kind of failure."""

    async def work(tools: Tools) -> list[tuple[str, ...]]:
        async with tools.db.read() as session:
            rows = await dead_letters.groups(session)
        return [(str(r.count), r.consumer, r.fingerprint, r.reason, r.exception) for r in rows]

    table = Table("count", "consumer", "fingerprint", "reason", "exception", box=None)
    for row in run(work):
        table.add_row(*row)
    out.print(table, soft_wrap=True)
