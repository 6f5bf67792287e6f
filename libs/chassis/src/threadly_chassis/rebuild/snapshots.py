"""Restating: aggregates whose history was dropped with its partition say once more how they stand.

A restated event is put into the history and not on the relay's list: nobody hears it but whom it is streamed
to, and later rebuilds find it there.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts import Event

from ..db import Database
from ..ids import new_id
from ..messaging import headers as h
from ..outbox.append import context_headers, shard_of

#: Given a service's dependencies, yields an event per aggregate that says how it stands, and its version.
Snapshot = Callable[[Any], AsyncIterator[tuple[Event, int]]]
#: By the event class that carries the whole state.
Snapshots = Mapping[type[Event], Snapshot]

_CHUNK = 200
_RESTATE = text("""
insert into outbox_event (
    shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload
)
select :shard, :event_id, :agg_type, :agg_id, :agg_version, :event_type, :schema_major,
       cast(:headers as jsonb) || jsonb_build_object(cast(:epoch as text), epoch), :payload
from outbox_epoch where not exists (
    select from outbox_event
    where agg_type = :agg_type and agg_id = :agg_id and event_type = any(cast(:wanted as text[]))
)
""")


async def restate(db: Database, deps: Any, snapshot: Snapshot, wanted: Collection[str]) -> None:
    """Append what `snapshot` yields of aggregates of which the history holds none of the wanted types.

    A crash in between is repaired by doing it again: what has been restated is history then.
    """
    chunk: list[tuple[Event, int]] = []
    async for stated in snapshot(deps):
        chunk.append(stated)
        if len(chunk) == _CHUNK:
            await _append(db, chunk, wanted)
            chunk.clear()
    await _append(db, chunk, wanted)


async def _append(db: Database, chunk: Collection[tuple[Event, int]], wanted: Collection[str]) -> None:
    async with db.transaction() as tx:
        for event, version in chunk:
            await _append_one(tx.session, event, version, wanted)


async def _append_one(session: AsyncSession, event: Event, version: int, wanted: Collection[str]) -> None:
    row = {
        "shard": shard_of(event.subject),
        "event_id": new_id(),
        "agg_type": event.aggregate,
        "agg_id": event.subject,
        "agg_version": version,
        "event_type": event.type,
        "schema_major": event.major(),
        "headers": json.dumps(context_headers() | {h.RESTATED: "yes"}),
        "payload": event.model_dump_json(warnings=False).encode(),
        "wanted": list(wanted),
        "epoch": h.EPOCH,
    }
    await session.execute(_RESTATE, row)
