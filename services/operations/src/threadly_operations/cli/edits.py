"""What `threadly dlq edit | edits | approve | reject` do."""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.table import Column, Table

from threadly_chassis.errors import NotFound
from threadly_contracts import published_events

from ..domain.edit import Change, EditStatus
from ..domain.json_body import Difference, JsonObject, Kind, NotAnObject, differences, read_object
from ..storage import edits
from ..storage.edits import EditView
from ..use_cases.decide_edit import approve_edit, reject_edit
from ..use_cases.edit_dead_letter import edit_dead_letter
from .replays import wait_until_settled
from .running import Tools, fail, operator, out, run


def edit_letter(letter: UUID, file: str, row_version: int, reason: str, *, whole: bool, wait: float) -> None:
    """Edit one letter with what is in a file, and say what becomes of it."""
    change = Change(_read(file), whole=whole)

    async def work(tools: Tools) -> EditView:
        async with tools.db.transaction() as tx:
            edit_id = await edit_dead_letter(
                tx,
                letter,
                change,
                row_version=row_version,
                clock=tools.clock,
                contracts=published_events(),
                actor=operator(),
                reason=reason,
            )
        return await _view(tools, edit_id)

    _tell(run(work), wait)


def _read(file: str) -> JsonObject:
    try:
        return read_object(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})")
    except NotAnObject as error:
        fail(f"{file} has no JSON object ({error})")


async def _view(tools: Tools, edit_id: UUID) -> EditView:
    async with tools.db.read() as session:
        view = await edits.view(session, edit_id)
    if view is None:
        raise NotFound("There is no such edit.")
    return view


def _tell(view: EditView, wait: float) -> None:
    _print_differences(view)
    edit = view.edit
    if edit.replay_id is None:
        out.print(f"proposed; another operator says: threadly dlq approve {edit.id}", highlight=False)
        return
    out.print(f"edited and replaying: replay {edit.replay_id}", highlight=False)
    if wait:
        wait_until_settled(edit.replay_id, wait)


def approve_proposal(edit: UUID, reason: str, wait: float) -> None:
    """Approve another operator's edit."""

    async def work(tools: Tools) -> EditView:
        async with tools.db.transaction() as tx:
            await approve_edit(tx, edit, clock=tools.clock, actor=operator(), reason=reason)
        return await _view(tools, edit)

    _tell(run(work), wait)


def reject_proposal(edit: UUID, reason: str) -> None:
    """Reject a proposed edit."""

    async def work(tools: Tools) -> None:
        async with tools.db.transaction() as tx:
            await reject_edit(tx, edit, clock=tools.clock, actor=operator(), reason=reason)

    run(work)
    out.print("rejected")


def list_edits(letter: UUID | None, limit: int, *, everything: bool) -> None:
    """Print edits, newest first."""
    status = None if everything else EditStatus.PROPOSED

    async def work(tools: Tools) -> list[EditView]:
        async with tools.db.read() as session:
            return await edits.newest(session, letter=letter, status=status, limit=limit)

    ids = Column("id", no_wrap=True), Column("letter", no_wrap=True)
    table = Table(*ids, "event", "status", "by", "decided by", "reason", box=None)
    views = run(work)
    for view in views:
        edit = view.edit
        people = edit.edited_by, edit.decided_by or ""
        table.add_row(
            str(edit.id), str(edit.dead_letter_id), view.event_type, _standing(view), *people, edit.reason
        )
    if views:
        out.print(table, soft_wrap=True)
    out.print(f"{len(views)} edit{'' if len(views) == 1 else 's'}")


def show_edit(edit_id: UUID) -> None:
    """Print one edit: who, why, what differs, and both bodies."""

    async def work(tools: Tools) -> EditView:
        return await _view(tools, edit_id)

    view = run(work)
    edit = view.edit
    for name, value in (
        ("letter", edit.dead_letter_id),
        ("consumer", view.consumer),
        ("event", f"{view.event_type} {view.message_key}"),
        ("status", _standing(view)),
        ("by", f"{edit.edited_by}, {edit.edited_at}"),
        ("reason", edit.reason),
        ("decided by", f"{edit.decided_by}, {edit.decided_at}" if edit.decided_by else ""),
        ("decided for", edit.decision_reason),
        ("replay", edit.replay_id or ""),
    ):
        out.print(f"{name:16}{value}", markup=False, highlight=False)
    _print_differences(view)
    for name, body in (("before", edit.before), ("after", edit.after)):
        out.print(name)
        out.print(body.decode(errors="replace"), markup=False, highlight=False)


def _standing(view: EditView) -> str:
    return f"{view.edit.status}, stale" if view.is_stale else view.edit.status


def _print_differences(view: EditView) -> None:
    for difference in differences(view.edit.before, view.edit.after):
        out.print(_in_words(difference), markup=False, highlight=False, soft_wrap=True)


def _in_words(difference: Difference) -> str:
    place = difference.path or "the whole body"
    match difference.kind:
        case Kind.ADDED:
            return f"{place}: added {_json(difference.after)}"
        case Kind.REMOVED:
            return f"{place}: removed {_json(difference.before)}"
        case Kind.CHANGED:
            return f"{place}: {_json(difference.before)} → {_json(difference.after)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
