"""A person's inbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from threadly_chassis.cache import CACHE_TTL

from ..dependencies import MessagingDeps
from ..storage import inbox
from ..storage.inbox import InboxEntry
from .cache_tags import inbox_tag

_ENTRIES = TypeAdapter(list[InboxEntry])


async def list_conversations(
    user_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int, deps: MessagingDeps
) -> tuple[list[InboxEntry], tuple[datetime, UUID] | None]:
    """One page, newest messages first, and where the next one begins.

    The first page is cached: it is what every open client asks for. Its item and the other's name may be
    a minute old.
    """

    async def load() -> Any:
        async with deps.db.read() as session:
            # One more than asked for tells whether there is a next page.
            found = await inbox.page(session, user_id, after=after, limit=limit + 1)
        return _ENTRIES.dump_python(found, mode="json")

    if after is None:
        tag = inbox_tag(user_id)
        loaded = await deps.cache.get_or_load(f"{tag}:{limit}", load, ttl=CACHE_TTL.SHORT, tags=(tag,))
    else:
        loaded = await load()
    entries = _ENTRIES.validate_python(loaded)
    shown = entries[:limit]
    if len(entries) <= limit:
        return shown, None
    return shown, (shown[-1].last_message_at, shown[-1].id)
