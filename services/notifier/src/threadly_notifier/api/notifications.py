"""A person's notices."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from threadly_chassis.errors import NotFound
from threadly_chassis.http import CurrentPrincipal, CurrentTransaction, Cursors, router

from ..dependencies import Deps
from ..storage import notifications
from .schemas import NotificationPage, NotificationView

routes = router("/v1/notifications", tags=["notifications"])


@routes.get("")
async def list_notifications(
    deps: Deps,
    principal: CurrentPrincipal,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> NotificationPage:
    """The caller's notices, newest first."""
    cursors = Cursors(deps.settings.cursor_secret.get_secret_value(), "notifications")
    async with deps.db.read() as session:
        rows = await notifications.newest(
            session, principal.user_id, before=cursors.after_row(cursor), limit=limit + 1
        )
        unread = await notifications.unread(session, principal.user_id)
    shown = rows[:limit]
    more = cursors.encode(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None
    return NotificationPage(
        data=[NotificationView.model_validate(row) for row in shown], next_cursor=more, unread_count=unread
    )


@routes.post("/{notification_id}/read", status_code=status.HTTP_204_NO_CONTENT)
async def read_notification(
    notification_id: UUID, deps: Deps, tx: CurrentTransaction, principal: CurrentPrincipal
) -> Response:
    """Mark one of the caller's notices as read."""
    now = deps.clock.now()
    if not await notifications.mark_read(tx.session, principal.user_id, now, notification_id):
        raise NotFound
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@routes.post("/read-all", status_code=status.HTTP_204_NO_CONTENT)
async def read_all_notifications(deps: Deps, tx: CurrentTransaction, principal: CurrentPrincipal) -> Response:
    """Mark all of the caller's notices as read."""
    await notifications.mark_read(tx.session, principal.user_id, deps.clock.now())
    return Response(status_code=status.HTTP_204_NO_CONTENT)
