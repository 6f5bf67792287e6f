"""The message that a row of the outbox becomes: what the row says in columns is put into headers here.

A transaction writes each fact once and the relay repeats it: a dictionary of twelve headers, made before the
commit, was a third of what an event cost its transaction (ADR 23). Whatever the row's own headers say stands,
so a row may say otherwise than its columns, and those of older releases, which repeat all, are still read.
"""

import functools
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pamqp import commands as spec

from threadly_contracts import owner_of

from ..messaging import headers as h
from ..messaging.publisher import Outgoing
from ..messaging.topology import EVENTS_EXCHANGE
from .store import OutboxRow

_MICROSECONDS: Final = 1_000_000


class _OfType(NamedTuple):
    """What all events of a wire type have in common."""

    owner: str
    routing_key: str


# A row may be somebody's own work: types are not as few as the classes are.
@functools.lru_cache(1024)
def _of_type(event_type: str) -> _OfType:
    owner = owner_of(event_type) if "." in event_type else ""
    return _OfType(owner, event_type.removeprefix("threadly."))


def to_message(row: OutboxRow) -> Outgoing:
    """Put an outbox row into a message: a CloudEvent in binary mode, its body bit for bit as appended.

    Its time is when it was appended, by the database's clock.
    """
    known = _of_type(row.event_type)
    appended_at = datetime.fromtimestamp(row.appended_at / _MICROSECONDS, UTC)
    headers: dict[str, Any] = {
        h.CE_SPECVERSION: "1.0",
        h.CE_SOURCE: f"/threadly/{known.owner}",
        h.CE_TYPE: row.event_type,
        h.AGGREGATE_TYPE: row.agg_type,
        h.SCHEMA: row.schema_major,
        h.CE_ID: row.event_id,
        h.CE_SUBJECT: row.agg_id,
        h.CE_TIME: f"{appended_at.isoformat()[:-6]}Z",
        h.CE_SEQUENCE: f"{row.agg_version:020d}",
        h.AGGREGATE_VERSION: row.agg_version,
        # Nobody asked for it: it begins a conversation of its own.
        h.CE_CORRELATION: row.event_id,
        **row.headers,
    }
    properties = spec.Basic.Properties(
        app_id=known.owner,
        content_type="application/json",
        correlation_id=headers[h.CE_CORRELATION],
        delivery_mode=2,
        headers=headers,
        message_id=row.event_id,
        message_type=row.event_type,
        timestamp=appended_at,
    )
    return Outgoing(EVENTS_EXCHANGE, known.routing_key, properties, bytes(row.payload))
