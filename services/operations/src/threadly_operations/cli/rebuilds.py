"""What `threadly rebuild` and `threadly rebuilds` do."""

import asyncio
import time
from uuid import UUID

from rich.table import Column, Table

from ..domain.rebuild import RebuildStatus
from ..storage import rebuilds
from ..storage.rebuilds import RebuildView
from ..use_cases.abandon_rebuild import abandon_rebuild
from ..use_cases.request_rebuild import Wish, request_rebuild
from .running import Tools, fail, operator, out, run


def request(wish: Wish, wait: float) -> None:
    """Ask for a rebuild, and follow it for `wait` seconds."""

    async def work(tools: Tools) -> UUID:
        async with tools.db.transaction() as tx:
            return await request_rebuild(tx, wish, clock=tools.clock, actor=operator())

    rebuild_id = run(work)
    out.print(f"rebuild {rebuild_id} of {wish.consumer} requested")
    if wait:
        _wait_for_verdict(rebuild_id, wait)


def abandon(consumer: str) -> None:
    """Call a reader's rebuild off."""

    async def work(tools: Tools) -> UUID:
        async with tools.db.transaction() as tx:
            return await abandon_rebuild(tx, consumer, clock=tools.clock, actor=operator())

    out.print(f"rebuild {run(work)} of {consumer} abandoned")


def _wait_for_verdict(rebuild_id: UUID, seconds: float) -> None:
    """Print what changes until the rebuild has ended."""

    async def work(tools: Tools) -> RebuildView | None:
        end, shown = time.monotonic() + seconds, ""
        while True:
            async with tools.db.read() as session:
                view = await rebuilds.view(session, rebuild_id)
            if view and (line := _parts_of(view)) != shown:
                out.print(line, highlight=False)
                shown = line
            if view is None or not view.is_under_way or time.monotonic() > end:
                return view
            await asyncio.sleep(0.2)

    view = run(work)
    if view is None or view.is_under_way:
        fail(f"not ended after {seconds:g} s; see threadly rebuilds")
    if view.rebuild.status != RebuildStatus.EQUAL:
        fail(f"{view.rebuild.status}{': ' if view.rebuild.reason else ''}{view.rebuild.reason}")
    out.print(view.rebuild.status)


def _parts_of(view: RebuildView) -> str:
    sent = [f"{part.sent}/{'?' if part.total is None else part.total}" for part in view.parts]
    return ", ".join(
        f"{part.service} {part.verdict or so_far}" for part, so_far in zip(view.parts, sent, strict=True)
    )


def list_rebuilds(limit: int) -> None:
    """Print rebuilds, newest first."""

    async def work(tools: Tools) -> list[RebuildView]:
        async with tools.db.read() as session:
            return await rebuilds.newest(session, limit)

    table = Table(Column("id", no_wrap=True), Column("reader", no_wrap=True), "status", "by", "", box=None)
    for view in run(work):
        row = view.rebuild
        table.add_row(str(row.id), row.consumer, row.status, row.requested_by, row.reason or _parts_of(view))
    out.print(table, soft_wrap=True)
