"""The inbox: what each consumer has applied, marked in the transaction of the effect.

A concurrent duplicate waits at the insert until the first transaction has ended, so it also meets a stale
delivery that is still being worked on elsewhere.

Marks are kept for a window (`outbox.retention`), whose floor rises in the transaction that drops the oldest
ones. An event from behind the floor may have been applied and forgotten: a version gate still knows; where
there is none, the event is a dead letter and not applied a second time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import Permanent

# Who inserts and who drops exclude each other by the table's lock, which is taken before a statement's
# snapshot: a mark that was dropped in between and the floor that has risen over it are seen together.
_MARK = text(
    "with marked as (insert into inbox (consumer, event_id) select :consumer, unnest(cast(:ids as uuid[])) "
    "on conflict do nothing returning event_id) "
    "select event_id, event_id < (select floor from inbox_window) as is_forgotten from marked"
)
_SEEN = text(
    "select exists (select from inbox where consumer = :consumer and event_id = :event_id) as is_marked, "
    ":event_id < (select floor from inbox_window) as is_forgotten"
)
# Locks the rows that exist and those it creates alike, in one order, so that two batches cannot deadlock.
_LOCK_STREAMS = text(
    "insert into inbox_stream (consumer, agg_type, agg_id, epoch, version) "
    "select :consumer, t, a, -1, -1 from unnest(cast(:types as text[]), cast(:ids as text[])) as s (t, a) "
    "order by t, a "
    "on conflict (consumer, agg_type, agg_id) do update set version = inbox_stream.version "
    "returning agg_type, agg_id, epoch, version, last_event_id"
)
# What comes late from before its owner's fork is doubted like what had come before (`forks.doubts`).
_SAVE_STREAMS = text("""
with n as (
    select * from unnest(cast(:types as text[]), cast(:ids as text[]), cast(:epochs as int[]),
        cast(:versions as bigint[]), cast(:events as uuid[]))
        as n (agg_type, agg_id, epoch, version, event_id)
), doubted as (
    insert into inbox_claim (consumer, agg_type, agg_id, event_id, owner)
    select e.consumer, n.agg_type, n.agg_id, n.event_id, e.owner from n join inbox_epoch e
    on e.consumer = :consumer and e.agg_type = n.agg_type and n.epoch < e.epoch and n.event_id >= e.since
    on conflict (consumer, agg_type, agg_id) do update
    set event_id = excluded.event_id, is_orphan = false, asked_at = null
)
update inbox_stream set epoch = n.epoch, version = n.version, last_event_id = n.event_id
from n where inbox_stream.consumer = :consumer and inbox_stream.agg_type = n.agg_type
and inbox_stream.agg_id = n.agg_id
""")

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

    def is_forked_by(self, epoch: int, version: int, event_id: UUID) -> bool:
        """Whether a fresh event shows that its owner does not know what was applied.

        It bears a version that was announced before, by another event: in its owner's new epoch, where it
        wins; within one epoch nobody can say which of the two was erased.
        """
        if self.event_id in (None, event_id):
            return False
        return (
            version == self.version if epoch == self.epoch else epoch > self.epoch and version <= self.version
        )

    def move(self, epoch: int, version: int, event_id: UUID) -> None:
        """Note an applied event."""
        self.epoch, self.version, self.event_id, self.moved = epoch, version, event_id, True


class WindowExpired(Permanent):
    """The event is older than what the inbox remembers, and nothing else tells whether it was applied."""

    code = "dedup-window-expired"


async def mark(
    session: AsyncSession, consumer: str, event_ids: Sequence[UUID], *, may_be_forgotten: bool = False
) -> set[UUID]:
    """Mark events as applied and return those that were not yet.

    Raises `WindowExpired` for an event from behind the window's floor, unless `may_be_forgotten`: for who has
    another way to know what was applied.
    """
    rows = (await session.execute(_MARK, {"consumer": consumer, "ids": list(event_ids)})).all()
    if not may_be_forgotten:
        for event_id, is_forgotten in rows:
            _refuse(event_id, is_forgotten=is_forgotten)
    return {event_id for event_id, _ in rows}


async def is_marked(session: AsyncSession, consumer: str, event_id: UUID) -> bool:
    """Whether the consumer has applied the event; raises `WindowExpired` when nobody remembers."""
    row = (await session.execute(_SEEN, {"consumer": consumer, "event_id": event_id})).one()
    if not row.is_marked:
        _refuse(event_id, is_forgotten=row.is_forgotten)
    return bool(row.is_marked)


def _refuse(event_id: UUID, *, is_forgotten: bool) -> None:
    if is_forgotten:
        raise WindowExpired(f"{event_id} is older than the inbox's window")


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
