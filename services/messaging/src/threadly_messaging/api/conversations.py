"""Conversations: begin, list, mark as read, show typing."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from threadly_chassis.http import CurrentPrincipal, CurrentTransaction, Page, router

from ..dependencies import Deps
from ..storage import inbox
from ..use_cases.cache_tags import conversation_tag, inbox_tag
from ..use_cases.list_conversations import list_conversations
from ..use_cases.read_conversation import read_conversation
from ..use_cases.send_message import Draft
from ..use_cases.show_typing import show_typing
from ..use_cases.start_conversation import start_conversation
from .schemas import ConversationView, ReadingView, ReadUpTo, StartConversation, Typing

conversations = router("/v1/conversations", tags=["conversations"])

Limit = Annotated[int, Query(ge=1, le=50)]


@conversations.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={status.HTTP_200_OK: {"model": ConversationView, "description": "You have it already"}},
)
async def start(
    body: StartConversation,
    response: Response,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
) -> ConversationView:
    """Begin a conversation about somebody's item; there is one for each buyer and item."""
    draft = Draft.of(body.content) if body.content is not None else None
    entry, is_new = await start_conversation(
        body.product_id, draft, buyer=principal, tx=tx, now=deps.clock.now()
    )
    if not is_new:
        response.status_code = status.HTTP_200_OK
    stale = inbox_tag(principal.user_id), inbox_tag(entry.other.id), conversation_tag(entry.id)
    tx.after_commit(partial(deps.cache.drop_quietly, *stale))
    return ConversationView.of(entry, principal.user_id)


@conversations.get("")
async def list_own(
    principal: CurrentPrincipal, deps: Deps, limit: Limit = 20, cursor: str | None = None
) -> Page[ConversationView]:
    """Return the caller's conversations, the one with the newest message first."""
    entries, following = await list_conversations(
        principal.user_id, after=deps.inbox_cursors.after_row(cursor), limit=limit, deps=deps
    )
    return Page(
        data=[ConversationView.of(entry, principal.user_id) for entry in entries],
        next_cursor=deps.inbox_cursors.encode(*following) if following else None,
    )


@conversations.get("/{conversation_id}")
async def show(conversation_id: UUID, principal: CurrentPrincipal, deps: Deps) -> ConversationView:
    """Return one of the caller's conversations."""
    async with deps.db.read() as session:
        entry = await inbox.entry(session, principal.user_id, conversation_id)
    return ConversationView.of(entry, principal.user_id)


@conversations.post("/{conversation_id}/read")
async def read(
    conversation_id: UUID,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
    body: ReadUpTo | None = None,
) -> ReadingView:
    """Mark everything up to a message as read, without a body everything there is."""
    up_to = body.last_read_message_id if body else None
    now = deps.clock.now()
    if await read_conversation(conversation_id, reader_id=principal.user_id, up_to=up_to, tx=tx, now=now):
        stale = conversation_tag(conversation_id), inbox_tag(principal.user_id)
        tx.after_commit(partial(deps.cache.drop_quietly, *stale))
    entry = await inbox.entry(tx.session, principal.user_id, conversation_id)
    return ReadingView(unread_count=entry.unread_count)


@conversations.post("/{conversation_id}/typing", status_code=status.HTTP_204_NO_CONTENT)
async def typing(conversation_id: UUID, body: Typing, principal: CurrentPrincipal, deps: Deps) -> None:
    """Let the other side see whether the caller is typing; nothing is stored."""
    await show_typing(
        conversation_id,
        is_typing=body.is_typing,
        typist=principal,
        socket_id=body.socket_id,
        deps=deps,
    )
