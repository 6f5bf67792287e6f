"""Rows of an outbox: those of its log, and some that were never appended."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from threadly_contracts import Event

from ..db import Database
from ..ids import new_id
from ..outbox.append import context_headers, shard_of
from ..outbox.store import ROW_COLUMNS, OutboxRow

_LOG = text(f"select {ROW_COLUMNS} from outbox_event e order by e.id")  # noqa: S608 - a constant of the outbox


async def logged(db: Database) -> list[OutboxRow]:
    """The whole log, in the order of its ids."""
    async with db.read() as session:
        return [OutboxRow(*row) for row in await session.execute(_LOG)]


def row_of(event: Event, version: int, event_id: UUID | None = None) -> OutboxRow:
    """The row that an event would be now, without an id of its own in the log."""
    return OutboxRow(
        id=0,
        shard=shard_of(event.subject),
        event_id=str(event_id or new_id()),
        agg_type=event.aggregate,
        agg_id=event.subject,
        agg_version=version,
        event_type=event.type,
        schema_major=event.major(),
        headers=dict(context_headers()),
        payload=event.model_dump_json().encode(),
        appended_at=int(datetime.now(UTC).timestamp() * 1_000_000),
    )
