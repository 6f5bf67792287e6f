"""Running one handler as its consumer would, without a broker and without an inbox."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, get_origin, get_type_hints
from uuid import UUID

from threadly_contracts import Event

from ..ids import new_id
from ..messaging import Context, EffectContext
from ..messaging.handling import HasDatabase

Handler = Callable[[Any, Any], Awaitable[None]]


async def run_handler(
    handler: Handler,
    event: Event,
    deps: HasDatabase,
    *,
    version: int | None = None,
    event_id: UUID | None = None,
    crash: Exception | None = None,
    overrules: bool = False,
) -> None:
    """Give an event to a handler: in a transaction of its own if it asks for `Context`, else in none.

    `version` is the event's own unless it is given; with `overrules` its owner was set back, and it counts
    whatever is held. Two deliveries of one event share an `event_id`. With
    `crash` that is raised after the handler and before the commit.
    """
    facts: dict[str, Any] = {
        "deps": deps,
        "event_id": event_id or new_id(),
        "version": version if version is not None else getattr(event, "version", 1),
        "occurred_at": datetime.now(UTC),
        "attempt": 1,
        "correlation_id": "",
        "causation_id": None,
        "replay_id": None,
    }
    asked = get_type_hints(handler)["context"]
    if (get_origin(asked) or asked) is EffectContext:
        await handler(event, EffectContext(**facts))
        return
    async with deps.db.transaction() as tx:
        await handler(event, Context(tx=tx, overrules=overrules, **facts))
        if crash:
            raise crash
