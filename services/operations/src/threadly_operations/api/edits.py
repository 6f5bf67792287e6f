"""Edits of dead letters: make, look, approve, reject. For operators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, status

from threadly_chassis.db import ReadSession
from threadly_chassis.errors import NotFound
from threadly_chassis.http import CurrentTransaction, Cursors, OperatorPrincipal, Page, router

from ..dependencies import Deps
from ..domain.edit import EditStatus
from ..storage import edits
from ..use_cases.decide_edit import approve_edit, reject_edit
from ..use_cases.edit_dead_letter import edit_dead_letter
from .edit_schemas import DecisionRequest, EditDetail, EditRequest, EditSummary

routes = router("/v1/operations", tags=["operations"])


@routes.post("/dead-letters/{dead_letter_id}/edits", status_code=status.HTTP_202_ACCEPTED)
async def edit(
    dead_letter_id: UUID,
    body: EditRequest,
    deps: Deps,
    tx: CurrentTransaction,
    operator: OperatorPrincipal,
) -> EditDetail:
    """Change what a letter says and replay it so; an edit of orders' events waits for another operator."""
    edit_id = await edit_dead_letter(
        tx,
        dead_letter_id,
        body.change,
        row_version=body.row_version,
        clock=deps.clock,
        contracts=deps.contracts,
        actor=str(operator.user_id),
        reason=body.reason,
    )
    return await _shown(tx.session, edit_id)


@routes.get("/edits")
async def list_edits(
    deps: Deps,
    _: OperatorPrincipal,
    dead_letter_id: UUID | None = None,
    edit_status: Annotated[EditStatus | None, Query(alias="status")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[EditSummary]:
    """Edits, newest first; `status=PROPOSED` are those that wait for a second person."""
    cursors = Cursors(deps.settings.cursor_secret.get_secret_value(), "letter-edits")
    async with deps.db.read() as session:
        views = await edits.newest(
            session,
            letter=dead_letter_id,
            status=edit_status,
            before=cursors.after_row(cursor),
            limit=limit + 1,
        )
    shown = views[:limit]
    last = shown[-1].edit if len(views) > limit else None
    more = cursors.encode(last.edited_at, last.id) if last else None
    return Page[EditSummary](data=[EditSummary.of(view) for view in shown], next_cursor=more)


@routes.get("/edits/{edit_id}")
async def show_edit(edit_id: UUID, deps: Deps, _: OperatorPrincipal) -> EditDetail:
    """One edit with both bodies and what differs."""
    async with deps.db.read() as session:
        return await _shown(session, edit_id)


@routes.post("/edits/{edit_id}/approve")
async def approve(
    edit_id: UUID, body: DecisionRequest, deps: Deps, tx: CurrentTransaction, operator: OperatorPrincipal
) -> EditDetail:
    """Replay the letter with the proposed body; not for whoever proposed it."""
    await approve_edit(tx, edit_id, clock=deps.clock, actor=str(operator.user_id), reason=body.reason)
    return await _shown(tx.session, edit_id)


@routes.post("/edits/{edit_id}/reject")
async def reject(
    edit_id: UUID, body: DecisionRequest, deps: Deps, tx: CurrentTransaction, operator: OperatorPrincipal
) -> EditDetail:
    """Leave the letter as it is."""
    await reject_edit(tx, edit_id, clock=deps.clock, actor=str(operator.user_id), reason=body.reason)
    return await _shown(tx.session, edit_id)


async def _shown(session: ReadSession, edit_id: UUID) -> EditDetail:
    view = await edits.view(session, edit_id)
    if view is None:
        raise NotFound("There is no such edit.")
    return EditDetail.of(view)
