"""Appending: an event becomes a row of the outbox, written by the statement that goes out with the commit.

Order theorem: the aggregate's row lock serialises its writers, so version 1 has drawn its id and committed
before version 2 draws its own. Ids of one aggregate are ordered like its versions, all in one shard.
"""

import functools
import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import to_json

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


class Call(NamedTuple):
    """A statement of the driver's and its values, in PostgreSQL's binary format."""

    statement: bytes
    values: Sequence[bytes | None]


_APPEND: Final = b"select outbox_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_SMALL, _BIG = struct.Struct("!h").pack, struct.Struct("!q").pack
#: The binary format of `jsonb` begins with its version; that of a time is microseconds since this one.
_JSONB: Final = b"\x01"
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class EventTooLarge(TooLarge):
    """An event over the size rules; nothing was appended."""

    code = "event_too_large"
    title = "The event is too large to be sent"


class Append(NamedTuple):
    """An event that the transaction's commit will write."""

    event_id: UUID
    event_type: str
    subject: str
    version: int
    cancel_key: str | None
    call: Call


def shard_of(aggregate_id: str) -> int:
    """The shard that keeps an aggregate's events in order."""
    return zlib.crc32(aggregate_id.encode()) % SHARDS


def event_headers(event: Event, event_id: UUID, version: int, occurred_at: datetime) -> dict[str, str | int]:
    """Describe an event as CloudEvents 1.0 attributes and ours, with the ids of the action under way.

    Its epoch is not among them: that is the database's, which adds it.
    """
    action = current_action()
    described = {
        **_known_of(type(event)).headers,
        h.CE_ID: str(event_id),
        h.CE_SUBJECT: event.subject,
        h.CE_TIME: occurred_at.isoformat().replace("+00:00", "Z"),
        h.CE_SEQUENCE: f"{version:020d}",
        h.CE_CORRELATION: action.correlation_id or str(event_id),
        h.AGGREGATE_VERSION: version,
        **trace_headers(),
    }
    if action.causation_id:
        described[h.CE_CAUSATION] = action.causation_id
    return described


class _Known(NamedTuple):
    """What all events of a class have in common."""

    headers: dict[str, str | int]
    aggregate: bytes
    type: bytes
    major: bytes


@functools.cache
def _known_of(kind: type[Event]) -> _Known:
    headers: dict[str, str | int] = {
        h.CE_SPECVERSION: "1.0",
        h.CE_SOURCE: f"/threadly/{kind.owner()}",
        h.CE_TYPE: kind.type,
        h.AGGREGATE_TYPE: kind.aggregate,
        h.SCHEMA: kind.major(),
    }
    return _Known(headers, kind.aggregate.encode(), kind.type.encode(), _SMALL(kind.major()))


def _check_size(event: Event, body: bytes, headers: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise EventTooLarge(f"{event.type}: the body has {len(body)} bytes, {MAX_BODY_BYTES} are allowed")
    if len(headers) > MAX_HEADER_BYTES:
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
    headers = to_json(described)
    _check_size(event, body, headers)
    known = _known_of(type(event))
    values = (
        _SMALL(shard_of(subject)),
        event_id.bytes,
        known.aggregate,
        subject.encode(),
        _BIG(version),
        known.type,
        known.major,
        _JSONB + headers,
        body,
        None if due_at is None else _BIG((due_at - _POSTGRES_EPOCH) // _MICROSECOND),
        None if cancel_key is None else cancel_key.encode(),
    )
    return Append(event_id, event.type, subject, version, cancel_key, Call(_APPEND, values))
