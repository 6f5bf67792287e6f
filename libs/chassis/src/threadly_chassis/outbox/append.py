"""Appending: an event becomes a row of the outbox, written by the statement that goes out with the commit.

Order theorem: the aggregate's row lock serialises its writers, so version 1 has drawn its id and committed
before version 2 draws its own. Ids of one aggregate are ordered like its versions, all in one shard.
"""

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from threadly_contracts import Event

from ..context import current_action
from ..errors import TooLarge
from ..ids import new_id
from ..messaging import headers as h
from ..observability.tracing import trace_headers

SHARDS = 16
#: RabbitMQ 4 takes 16 MiB; a bigger thing than this belongs behind a link (claim check).
MAX_BODY_BYTES = 256 * 1024
#: A content header is one frame and cannot be split: far under the smallest frame_max in use (128 KiB).
MAX_HEADER_BYTES = 16 * 1024
#: The place of the headers, a JSON object, among an append's values.
_HEADERS: Final = 7

_NOW: Final = """
with event as (
    insert into outbox_event (
        shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload
    ) values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s) returning id, shard
)
insert into outbox_pending (shard, id) select shard, id from event
"""
_LATER: Final = """
with event as (
    insert into outbox_event (
        shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload
    ) values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s) returning id, shard
)
insert into outbox_scheduled (due_at, id, shard, cancel_key) select %s, id, shard, %s from event
"""


class EventTooLarge(TooLarge):
    """An event over the size rules; nothing was appended."""

    code = "event_too_large"
    title = "The event is too large to be sent"


@dataclass(frozen=True, slots=True)
class Append:
    """An event that the transaction's commit will write: a statement of the driver's and its values."""

    event_id: UUID
    event_type: str
    cancel_key: str | None
    statement: str
    values: tuple[object, ...]

    def values_in(self, epoch: int) -> tuple[object, ...]:
        """The values with the epoch of the connection that writes them: it is known no sooner."""
        headers = f'{str(self.values[_HEADERS])[:-1]}, "{h.EPOCH}": {epoch}}}'
        return (*self.values[:_HEADERS], headers, *self.values[_HEADERS + 1 :])


def shard_of(aggregate_id: str) -> int:
    """The shard that keeps an aggregate's events in order."""
    return zlib.crc32(aggregate_id.encode()) % SHARDS


def event_headers(event: Event, event_id: UUID, version: int, occurred_at: datetime) -> dict[str, str | int]:
    """Describe an event as CloudEvents 1.0 attributes and ours, with the ids of the action under way."""
    action = current_action()
    described: dict[str, str | int] = {
        h.CE_SPECVERSION: "1.0",
        h.CE_ID: str(event_id),
        h.CE_SOURCE: f"/threadly/{event.owner()}",
        h.CE_TYPE: event.type,
        h.CE_SUBJECT: event.subject,
        h.CE_TIME: occurred_at.isoformat().replace("+00:00", "Z"),
        h.CE_SEQUENCE: f"{version:020d}",
        h.CE_CORRELATION: action.correlation_id or str(event_id),
        h.AGGREGATE_TYPE: event.aggregate,
        h.AGGREGATE_VERSION: version,
        h.SCHEMA: event.major(),
        **trace_headers(),
    }
    if action.causation_id:
        described[h.CE_CAUSATION] = action.causation_id
    return described


def _check_size(event: Event, body: bytes, headers: str) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise EventTooLarge(f"{event.type}: the body has {len(body)} bytes, {MAX_BODY_BYTES} are allowed")
    if len(headers.encode()) > MAX_HEADER_BYTES:
        raise EventTooLarge(f"{event.type}: the headers are over {MAX_HEADER_BYTES} bytes")


def prepare_append(
    event: Event, *, version: int, due_at: datetime | None = None, cancel_key: str | None = None
) -> Append:
    """Check an event and put it into the form in which it is written.

    `version` is the aggregate's version that the event announces. With `due_at` (aware) the event is sent
    no earlier, by the database's clock.
    Raises `EventTooLarge` over 256 KiB of body or 16 KiB of headers, and Pydantic's `ValidationError` when
    the event was built around validation (`model_construct`, mutable parts): what was appended can be read.
    """
    body = event.model_dump_json(warnings=False).encode()
    type(event).model_validate_json(body)
    event_id, subject = new_id(), event.subject
    described = event_headers(event, event_id, version, datetime.now(UTC))
    if due_at is not None:
        described[h.DUE_AT] = due_at.isoformat()
    headers = json.dumps(described)
    _check_size(event, body, headers)
    values: tuple[object, ...] = (
        shard_of(subject),
        event_id,
        event.aggregate,
        subject,
        version,
        event.type,
        event.major(),
        headers,
        body,
    )
    if due_at is None:
        return Append(event_id, event.type, None, _NOW, values)
    return Append(event_id, event.type, cancel_key, _LATER, (*values, due_at, cancel_key))
