"""Dead letters: look, replay, discard. For operators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from threadly_chassis.errors import NotFound
from threadly_chassis.http import CurrentTransaction, Cursors, OperatorPrincipal, Page, router

from ..dependencies import Deps
from ..domain.replay import Terms
from ..domain.status import Status
from ..storage import dead_letters, replays
from ..storage.dead_letters import Selection
from ..storage.tables import DeadLetterRow
from ..use_cases.discard_dead_letter import discard_dead_letter
from ..use_cases.replay_dead_letters import replay_dead_letters
from .schemas import (
    DeadLetterDetail,
    DeadLetterView,
    DiscardRequest,
    GroupView,
    ReplayProgress,
    ReplayRequest,
    ReplayView,
)

routes = router("/v1/operations/dead-letters", tags=["operations"])


@routes.get("")
async def list_dead_letters(
    deps: Deps,
    _: OperatorPrincipal,
    consumer: str | None = None,
    fingerprint: str | None = None,
    letter_status: Annotated[Status | None, Query(alias="status")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[DeadLetterView]:
    """Dead letters, newest first."""
    cursors = Cursors(deps.settings.cursor_secret.get_secret_value(), "dead-letters")
    selection = Selection(consumer=consumer, fingerprint=fingerprint, status=letter_status)
    async with deps.db.read() as session:
        rows = await dead_letters.newest(
            session, selection, before=cursors.after_row(cursor), limit=limit + 1
        )
    shown = rows[:limit]
    more = cursors.encode(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None
    return Page[DeadLetterView](data=[DeadLetterView.model_validate(row) for row in shown], next_cursor=more)


@routes.get("/groups")
async def list_groups(deps: Deps, _: OperatorPrincipal) -> Page[GroupView]:
    """Open letters by consumer and kind of failure, most first."""
    async with deps.db.read() as session:
        rows = await dead_letters.groups(session)
    return Page[GroupView](data=[GroupView.model_validate(row) for row in rows])


@routes.get("/{dead_letter_id}")
async def show_dead_letter(dead_letter_id: UUID, deps: Deps, _: OperatorPrincipal) -> DeadLetterDetail:
    """One dead letter whole: payload, headers, stack, attempts, times, trace."""
    async with deps.db.read() as session:
        row = await session.get(DeadLetterRow, dead_letter_id)
    if row is None:
        raise NotFound
    return DeadLetterDetail.of(row)


@routes.post("/replays", status_code=status.HTTP_202_ACCEPTED)
async def replay(
    body: ReplayRequest, deps: Deps, tx: CurrentTransaction, operator: OperatorPrincipal
) -> ReplayView:
    """Send letters back to the consumers that gave them up; `dry_run` only says which."""
    decided = await replay_dead_letters(
        tx,
        Selection(ids=body.ids, consumer=body.consumer, fingerprint=body.fingerprint),
        clock=deps.clock,
        actor=str(operator.user_id),
        reason=body.reason,
        terms=Terms(rate=body.rate),
        dry_run=body.dry_run,
        discarded=body.discarded,
        row_version=body.row_version,
    )
    return ReplayView(
        replay_id=decided.replay_id,
        dead_letter_ids=list(decided.dead_letter_ids),
        rate=body.rate,
        dry_run=body.dry_run,
    )


@routes.get("/replays/{replay_id}")
async def show_replay(replay_id: UUID, deps: Deps, _: OperatorPrincipal) -> ReplayProgress:
    """How a replay stands: how many were sent, resolved, failed again; why it stopped."""
    async with deps.db.read() as session:
        found = await replays.view(session, replay_id)
    if found is None:
        raise NotFound
    return ReplayProgress.of(found)


@routes.post("/{dead_letter_id}/discard", status_code=status.HTTP_204_NO_CONTENT)
async def discard(
    dead_letter_id: UUID,
    body: DiscardRequest,
    deps: Deps,
    tx: CurrentTransaction,
    operator: OperatorPrincipal,
) -> Response:
    """Give a letter up for good; it stays readable."""
    await discard_dead_letter(
        tx,
        dead_letter_id,
        clock=deps.clock,
        actor=str(operator.user_id),
        reason=body.reason,
        row_version=body.row_version,
    )
    return Response(status_code=status.HTTP_204_NO_CONTENT)
