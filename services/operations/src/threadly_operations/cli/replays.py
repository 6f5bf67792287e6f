"""What `threadly dlq replay` and `threadly dlq replays` do."""

import asyncio
import time
from uuid import UUID

from rich.table import Column, Table

from ..domain.replay import Terms
from ..storage import replays
from ..storage.dead_letters import Selection
from ..storage.replays import ReplayView
from ..use_cases.replay_dead_letters import Replay, replay_dead_letters
from .dead_letters import counted
from .running import Tools, fail, operator, out, run


def replay_letters(
    wanted: Selection,
    *,
    rate: int,
    reason: str,
    dry_run: bool,
    discarded: bool,
    row_version: int | None,
    wait: float,
) -> None:
    """Send the selected letters back, or say which; then wait until they are applied, if asked to."""

    async def work(tools: Tools) -> Replay:
        async with tools.db.transaction() as tx:
            return await replay_dead_letters(
                tx,
                wanted,
                clock=tools.clock,
                actor=operator(),
                reason=reason,
                terms=Terms(rate=rate),
                dry_run=dry_run,
                discarded=discarded,
                row_version=row_version,
            )

    decided = run(work)
    letters = counted(len(decided.dead_letter_ids))
    if dry_run:
        out.print(f"would replay {letters}")
        return
    out.print(f"replaying {letters}, {rate} a second: replay {decided.replay_id}", highlight=False)
    if wait:
        wait_until_settled(decided.replay_id, wait)


def wait_until_settled(replay_id: UUID, seconds: float) -> None:
    """Wait until a replay's letters are heard of, and say how many were applied; exit code 1 when not all."""

    async def work(tools: Tools) -> ReplayView | None:
        end = time.monotonic() + seconds
        while True:
            async with tools.db.read() as session:
                view = await replays.view(session, replay_id)
            if view is None or view.is_settled or time.monotonic() > end:
                return view
            await asyncio.sleep(0.2)

    view = run(work)
    if view is None:
        fail("there is no such replay")
    out.print(f"{view.resolved} of {view.replay.selected} resolved")
    if view.replay.stopped_because:
        fail(f"stopped, {view.replay.stopped_because}; see threadly dlq replays")
    if view.resolved < view.replay.selected:
        fail("not all were applied; see threadly dlq list")


def list_replays(limit: int) -> None:
    """Print replays, newest first."""

    async def work(tools: Tools) -> list[ReplayView]:
        async with tools.db.read() as session:
            return await replays.newest(session, limit)

    counts = ("rate", "selected", "sent", "resolved", "failed again", "withdrawn")
    table = Table(Column("id", no_wrap=True), "status", *counts, "by", "why", box=None)
    for view in run(work):
        row = view.replay
        numbers = (row.rate, row.selected, view.sent, view.resolved, view.failed_again, view.withdrawn)
        why = row.stopped_because or row.reason
        table.add_row(str(row.id), row.status, *map(str, numbers), row.requested_by, why)
    out.print(table, soft_wrap=True)
