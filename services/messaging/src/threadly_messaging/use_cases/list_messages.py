"""A conversation's messages, in its order."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from threadly_chassis.cache import CACHE_TTL

from ..dependencies import MessagingDeps
from ..storage import conversations, messages
from ..storage.messages import Message
from .cache_tags import conversation_tag

_MESSAGES = TypeAdapter(list[Message])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: before a message's number (going back) or after one (going on)."""

    sequence: int
    forward: bool


async def place_after(
    conversation_id: UUID, message_id: UUID, *, user_id: UUID, deps: MessagingDeps
) -> Place:
    """The place behind a message that the client has (E098).

    Raises `ConversationNotFound` and `MessageNotFound`.
    """
    async with deps.db.read() as session:
        await conversations.find_for(session, conversation_id, user_id)
        message = await messages.find_in(session, conversation_id, message_id)
    return Place(message.sequence, forward=True)


async def list_messages(
    conversation_id: UUID, *, user_id: UUID, place: Place | None, limit: int, deps: MessagingDeps
) -> tuple[list[Message], Place | None]:
    """One page and where the next one begins; without a place the newest messages.

    Raises `ConversationNotFound` for anybody but the two.
    """
    async with deps.db.read() as session:
        # Asked of the database each time: a right is never cached.
        await conversations.find_for(session, conversation_id, user_id)
    if place is None:
        return _backwards(await _newest(conversation_id, limit, deps), limit)
    async with deps.db.read() as session:
        if place.forward:
            found = await messages.following(session, conversation_id, after=place.sequence, limit=limit + 1)
            more = len(found) > limit
            return found[:limit], Place(found[limit - 1].sequence, forward=True) if more else None
        found = await messages.newest(session, conversation_id, before=place.sequence, limit=limit + 1)
    return _backwards(found, limit)


def _backwards(found: list[Message], limit: int) -> tuple[list[Message], Place | None]:
    shown = found[-limit:]
    return shown, Place(shown[0].sequence, forward=False) if len(found) > limit else None


async def _newest(conversation_id: UUID, limit: int, deps: MessagingDeps) -> list[Message]:
    async def load() -> Any:
        async with deps.db.read() as session:
            found = await messages.newest(session, conversation_id, before=None, limit=limit + 1)
        return _MESSAGES.dump_python(found, mode="json")

    tag = conversation_tag(conversation_id)
    loaded = await deps.cache.get_or_load(f"messages:{tag}:{limit}", load, ttl=CACHE_TTL.SHORT, tags=(tag,))
    return _MESSAGES.validate_python(loaded)
