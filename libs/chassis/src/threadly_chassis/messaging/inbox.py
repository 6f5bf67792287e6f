"""The inbox: what each consumer has applied, marked in the transaction of the effect.

A concurrent duplicate waits at the insert until the first transaction has ended, so it also meets a stale
delivery that is still being worked on elsewhere.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MARK = text(
    "insert into inbox (consumer, event_id) select :consumer, unnest(cast(:ids as uuid[])) "
    "on conflict do nothing returning event_id"
)
_SEEN = text("select 1 from inbox where consumer = :consumer and event_id = :event_id")
# Locks the rows that exist and those it creates alike, in one order, so that two batches cannot deadlock.
_LOCK_STREAMS = text(
    "insert into inbox_stream (consumer, agg_type, agg_id, epoch, version) "
    "select :consumer, t, a, -1, -1 from unnest(cast(:types as text[]), cast(:ids as text[])) as s (t, a) "
    "order by t, a "
    "on conflict (consumer, agg_type, agg_id) do update set version = inbox_stream.version "
    "returning agg_type, agg_id, epoch, version, last_event_id"
)
_SAVE_STREAMS = text(
    "update inbox_stream set epoch = n.epoch, version = n.version, last_event_id = n.event_id "
    "from unnest(cast(:types as text[]), cast(:ids as text[]), cast(:epochs as int[]), "
    "cast(:versions as bigint[]), cast(:events as uuid[])) as n (agg_type, agg_id, epoch, version, event_id) "
    "where inbox_stream.consumer = :consumer and inbox_stream.agg_type = n.agg_type "
    "and inbox_stream.agg_id = n.agg_id"
)

#: Aggregate type and id.
StreamKey = tuple[str, str]


@dataclass(slots=True)
class Stream:
    """The newest event that a consumer has applied of one aggregate."""

    epoch: int
    version: int
    event_id: UUID | None
    moved: bool = False

    def is_stale(self, epoch: int, version: int, *, again: bool = False) -> bool:
        """Whether an event is not newer than what was applied; `again` lets that one pass once more."""
        newest = (self.epoch, self.version)
        return (epoch, version) < newest if again else (epoch, version) <= newest

    def move(self, epoch: int, version: int, event_id: UUID) -> None:
        """Note an applied event."""
        self.epoch, self.version, self.event_id, self.moved = epoch, version, event_id, True


async def mark(session: AsyncSession, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Mark events as applied and return those that were not yet."""
    rows = await session.execute(_MARK, {"consumer": consumer, "ids": list(event_ids)})
    return set(rows.scalars())


async def is_marked(session: AsyncSession, consumer: str, event_id: UUID) -> bool:
    """Whether the consumer has applied the event."""
    rows = await session.execute(_SEEN, {"consumer": consumer, "event_id": event_id})
    return rows.first() is not None


async def lock_streams(
    session: AsyncSession, consumer: str, keys: Collection[StreamKey]
) -> dict[StreamKey, Stream]:
    """Lock and return what is known of these aggregates; ones not met before begin at -1."""
    ordered = sorted(set(keys))
    rows = await session.execute(
        _LOCK_STREAMS,
        {"consumer": consumer, "types": [k[0] for k in ordered], "ids": [k[1] for k in ordered]},
    )
    return {(r.agg_type, r.agg_id): Stream(r.epoch, r.version, r.last_event_id) for r in rows}


async def save_streams(session: AsyncSession, consumer: str, streams: dict[StreamKey, Stream]) -> None:
    """Write back the aggregates that moved."""
    moved = [(key, stream) for key, stream in streams.items() if stream.moved]
    if moved:
        await session.execute(
            _SAVE_STREAMS,
            {
                "consumer": consumer,
                "types": [key[0] for key, _ in moved],
                "ids": [key[1] for key, _ in moved],
                "epochs": [stream.epoch for _, stream in moved],
                "versions": [stream.version for _, stream in moved],
                "events": [stream.event_id for _, stream in moved],
            },
        )
