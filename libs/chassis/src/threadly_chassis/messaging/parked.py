"""What is parked of one consumer's strict streams, read back as deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text

from ..db import Database
from . import headers as h
from .delivery import Delivery
from .inbox import StreamKey

#: Parked events of one stream that are applied in one transaction.
RUN = 64
_STREAMS_AT_ONCE = 200

# First those that were never found in a gap: they are the ones that may go on.
_WAITING = text("""
select s.agg_type, s.agg_id, s.epoch, s.version, n.event_id,
       n.epoch as next_epoch, n.from_version as next_from, n.version as next_version
from inbox_stream s cross join lateral (
    select event_id, epoch, from_version, version from inbox_parked p
    where p.consumer = s.consumer and p.agg_type = s.agg_type and p.agg_id = s.agg_id
    order by p.epoch, p.from_version limit 1
) n
where s.consumer = :consumer and s.parked > 0 and s.blocked_by is null
order by coalesce(s.asked_at, s.gap_since) nulls first limit :limit
""")
_RUN = text("""
select event_id, epoch, from_version, version, routing_key, headers, payload from inbox_parked
where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id
order by epoch, from_version limit :limit
""")
_START = text("""
update inbox_parked set starts = starts + 1
where consumer = :consumer and event_id = any(cast(:ids as uuid[])) returning event_id, starts
""")
_COUNTS = text("""
select count(*) filter (where blocked_by is not null) as blocked, coalesce(sum(parked), 0) as parked,
       count(*) filter (where alerted_at is not null) as gaps
from inbox_stream where consumer = :consumer and (parked > 0 or blocked_by is not null)
""")


@dataclass(frozen=True, slots=True)
class WaitingStream:
    """A stream that nothing holds up though something is parked in it, and the first that is."""

    key: StreamKey
    epoch: int
    version: int
    event_id: UUID
    next_epoch: int
    next_from: int
    next_version: int

    @property
    def may_go_on(self) -> bool:
        """Whether it is the turn of what is parked; otherwise versions are missing."""
        return self.next_from <= self.version + 1


@dataclass(frozen=True, slots=True)
class _ParkedMessage:
    """What a delivered message would have said; everything is in the event's own headers."""

    headers: dict[str, Any]
    body: bytes
    routing_key: str
    delivery_tag: int = 0
    content_type: str = "application/json"

    @property
    def message_id(self) -> str | None:
        return self._text(h.CE_ID)

    @property
    def type(self) -> str | None:
        return self._text(h.CE_TYPE)

    @property
    def app_id(self) -> str:
        return str(self.headers.get(h.CE_SOURCE, "")).rpartition("/")[2]

    @property
    def correlation_id(self) -> str | None:
        return self._text(h.CE_CORRELATION)

    @property
    def timestamp(self) -> datetime | None:
        moment = self._text(h.CE_TIME)
        return datetime.fromisoformat(moment) if moment else None

    def _text(self, name: str) -> str | None:
        value = self.headers.get(name)
        return None if value is None else str(value)


def parked_delivery(headers: dict[str, Any], body: bytes, routing_key: str) -> Delivery:
    """A parked event as a delivery: with the tag 0, for there is nothing to acknowledge."""
    return Delivery(cast("AbstractIncomingMessage", _ParkedMessage(headers, body, routing_key)))


class ParkedEvents:
    """Reads one consumer's parked events."""

    def __init__(self, database: Database, consumer: str) -> None:
        self._database = database
        self._consumer = consumer

    async def waiting(self) -> list[WaitingStream]:
        """The streams that may go on or lack versions, at most 200 at once."""
        async with self._database.read() as session:
            rows = await session.execute(_WAITING, {"consumer": self._consumer, "limit": _STREAMS_AT_ONCE})
            return [WaitingStream((row[0], row[1]), *row[2:]) for row in rows]

    async def counts(self) -> tuple[int, int, int]:
        """How many streams are blocked, how many events parked, how many gaps were alerted."""
        async with self._database.read() as session:
            row = (await session.execute(_COUNTS, {"consumer": self._consumer})).one()
        return int(row.blocked), int(row.parked), int(row.gaps)

    async def first(self, stream: WaitingStream) -> Delivery | None:
        """The first parked event of a stream; None when it has gone meanwhile."""
        rows = await self._rows(stream, 1)
        return parked_delivery(rows[0].headers, bytes(rows[0].payload), rows[0].routing_key) if rows else None

    async def begin_run(self, stream: WaitingStream) -> list[Delivery]:
        """The parked events whose turn has come, in order, at most `RUN`; each is noted as begun.

        How often one was begun is its delivery count: that is how a crash loop is noticed without a broker.
        """
        rows = _contiguous(stream, await self._rows(stream, RUN))
        async with self._database.transaction() as tx:
            ids = [row.event_id for row in rows]
            begun = await tx.session.execute(_START, {"consumer": self._consumer, "ids": ids})
            starts = {row.event_id: row.starts for row in begun}
        return [
            parked_delivery(
                row.headers | {h.FROM_VERSION: row.from_version, h.DELIVERY_COUNT: starts[row.event_id] - 1},
                bytes(row.payload),
                row.routing_key,
            )
            for row in rows
            if row.event_id in starts
        ]

    async def _rows(self, stream: WaitingStream, limit: int) -> Sequence[Any]:
        place = {"consumer": self._consumer, "agg_type": stream.key[0], "agg_id": stream.key[1]}
        async with self._database.read() as session:
            return (await session.execute(_RUN, {**place, "limit": limit})).all()


def _contiguous(stream: WaitingStream, rows: Sequence[Any]) -> list[Any]:
    run: list[Any] = []
    reached = stream.version
    for row in rows:
        goes_on = row.epoch == stream.epoch and row.from_version <= reached + 1
        if run and not goes_on:
            break
        run.append(row)
        reached = max(reached, row.version)
    return run
