"""Messages: send and read."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, status

from threadly_chassis.errors import Invalid
from threadly_chassis.http import CurrentPrincipal, CurrentTransaction, Page, router
from threadly_chassis.http.cursors import Cursors

from ..dependencies import Deps
from ..domain.display import zone_named
from ..use_cases.cache_tags import conversation_tag, inbox_tag
from ..use_cases.list_messages import Place, list_messages, place_after
from ..use_cases.send_message import Draft, send_message
from .schemas import MessageView, SendMessage

messages = router("/v1/conversations/{conversation_id}/messages", tags=["conversations"])

Limit = Annotated[int, Query(ge=1, le=100)]
Zone = Annotated[str, Query(max_length=64, description="The viewer's IANA time zone, for formatted_time")]


@messages.post("", status_code=status.HTTP_201_CREATED)
async def send(
    conversation_id: UUID,
    body: SendMessage,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
    time_zone: Zone = "UTC",
) -> MessageView:
    """Send a message; the answer says that it is stored, the other side is told by itself (R-MSG-10)."""
    zone, now = zone_named(time_zone), deps.clock.now()
    draft = Draft.of(body.content, body.image_url)
    message, recipient_id = await send_message(conversation_id, draft, sender=principal, tx=tx, now=now)
    # The writer's next read is fresh at once; the event does the same for whoever a crash leaves behind.
    stale = conversation_tag(conversation_id), inbox_tag(principal.user_id), inbox_tag(recipient_id)
    tx.after_commit(partial(deps.cache.drop_quietly, *stale))
    return MessageView.of(message, viewer_id=principal.user_id, now=now, zone=zone)


@messages.get("")
async def list_all(
    conversation_id: UUID,
    principal: CurrentPrincipal,
    deps: Deps,
    limit: Limit = 50,
    after: UUID | None = None,
    cursor: str | None = None,
    time_zone: Zone = "UTC",
) -> Page[MessageView]:
    """Return messages in the conversation's order: the newest page, and by its cursor older ones.

    With `after`, the id of the last message that the client has, what came since (for use after a lost
    connection); the cursor then leads on to newer ones.
    """
    if after is not None and cursor is not None:
        raise Invalid("Use either after or cursor.")
    zone, place = zone_named(time_zone), _place(cursor, deps.message_cursors)
    if after is not None:
        place = await place_after(conversation_id, after, user_id=principal.user_id, deps=deps)
    found, following = await list_messages(
        conversation_id, user_id=principal.user_id, place=place, limit=limit, deps=deps
    )
    now = deps.clock.now()
    return Page(
        data=[MessageView.of(m, viewer_id=principal.user_id, now=now, zone=zone) for m in found],
        next_cursor=_cursor(following, deps.message_cursors) if following else None,
    )


def _place(cursor: str | None, cursors: Cursors) -> Place | None:
    if cursor is None:
        return None
    direction, sequence = cursors.decode(cursor, parts=2)
    return Place(int(sequence), forward=direction == "after")


def _cursor(place: Place, cursors: Cursors) -> str:
    return cursors.encode("after" if place.forward else "before", place.sequence)
