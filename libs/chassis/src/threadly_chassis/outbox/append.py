"""Appending: an event becomes a row of the outbox, written by the statement that goes out with the commit.

Order theorem: the aggregate's row lock serialises its writers, so version 1 has drawn its id and committed
before version 2 draws its own. Ids of one aggregate are ordered like its versions, all in one shard.
"""

import functools
import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from threadly_contracts import Event

from ..context import action_under_way
from ..errors import TooLarge
from ..ids import new_id
from ..messaging import headers as h
from ..observability.tracing import trace_headers

SHARDS = 16
#: RabbitMQ 4 takes 16 MiB; a bigger thing than this belongs behind a link (claim check).
MAX_BODY_BYTES = 256 * 1024
#: A content header is one frame and cannot be split: far under the smallest frame_max in use (128 KiB).
MAX_HEADER_BYTES = 16 * 1024
#: What the relay adds: twelve short headers, of which types and owners are as long as we make them.
_OTHER_HEADERS_BYTES = 1024


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


def context_headers() -> dict[str, str]:
    """The ids of the action under way and of its trace: what of an event's headers no column says.

    Its epoch is not among them: that is the database's, which adds it.
    """
    described = trace_headers()
    if action := action_under_way():
        if action.correlation_id:
            described[h.CE_CORRELATION] = action.correlation_id
        if action.causation_id:
            described[h.CE_CAUSATION] = action.causation_id
    return described


class _Kind(NamedTuple):
    """What all events of a class have in common; Pydantic's two without the arguments that nobody gives."""

    dump: Callable[[Event], bytes]
    validate: Callable[[bytes], object]
    aggregate: bytes
    type: bytes
    major: bytes


@functools.cache
def _kind_of(kind: type[Event]) -> _Kind:
    return _Kind(
        functools.partial(kind.__pydantic_serializer__.to_json, warnings=False),
        kind.__pydantic_validator__.validate_json,
        kind.aggregate.encode(),
        kind.type.encode(),
        _SMALL(kind.major()),
    )


def _check_size(event: Event, body: bytes, subject: bytes, headers: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise EventTooLarge(f"{event.type}: the body has {len(body)} bytes, {MAX_BODY_BYTES} are allowed")
    if len(headers) + len(subject) + _OTHER_HEADERS_BYTES > MAX_HEADER_BYTES:
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
    kind = _kind_of(type(event))
    body = kind.dump(event)
    kind.validate(body)
    event_id, subject = new_id(), event.subject
    described = context_headers()
    if due_at is not None:
        described[h.DUE_AT] = due_at.isoformat()
    headers, aggregate_id = to_json(described), subject.encode()
    _check_size(event, body, aggregate_id, headers)
    values = (
        _SMALL(shard_of(subject)),
        event_id.bytes,
        kind.aggregate,
        aggregate_id,
        _BIG(version),
        kind.type,
        kind.major,
        _JSONB + headers,
        body,
        None if due_at is None else _BIG((due_at - _POSTGRES_EPOCH) // _MICROSECOND),
        None if cancel_key is None else cancel_key.encode(),
    )
    return Append(event_id, event.type, subject, version, cancel_key, Call(_APPEND, values))
