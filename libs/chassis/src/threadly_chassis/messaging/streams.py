"""Strict streams: one aggregate's events as one consumer applies them, version by version.

A stream stands at the version applied last. The *head* is the event that could not be applied when its turn
came; what comes after it is *parked* in the database, and acknowledged, until the head is applied (retried,
replayed) or given up (discarded). An event that comes before its turn is parked too: a *gap*.

Every change happens under the stream's row lock; the locks of a batch are taken in sorted order, so that two
workers cannot deadlock. A stream begins at version 1: what a consumer has missed, because it is younger than
the aggregate, is a gap like any other and comes from the owner's log (see `resend`).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import Permanent, Retryable
from . import headers as h
from .delivery import Delivery, Envelope
from .inbox import StreamKey

_LOCK = text("""
insert into inbox_stream (consumer, agg_type, agg_id, epoch, version)
select :consumer, t, a, 0, 0 from unnest(cast(:types as text[]), cast(:ids as text[])) as s (t, a)
order by t, a
on conflict (consumer, agg_type, agg_id) do update set version = inbox_stream.version
returning agg_type, agg_id, epoch, version, last_event_id, blocked_by, blocked_version, parked, gap_head
""")
_SAVE = text("""
update inbox_stream set epoch = :epoch, version = :version, last_event_id = :last_event_id,
    blocked_by = :blocked_by, blocked_version = :blocked_version, parked = :parked,
    gap_since = case when :moved then null else gap_since end,
    asked_at = case when :moved then null else asked_at end,
    alerted_at = case when :moved then null else alerted_at end,
    gap_head = case when :moved then null else gap_head end
where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id
""")
_APPLIED = text(
    "select event_id from inbox where consumer = :consumer and event_id = any(cast(:ids as uuid[]))"
)
_PARK = text("""
insert into inbox_parked (
    consumer, event_id, agg_type, agg_id, epoch, from_version, version, routing_key, headers, payload
) values (
    :consumer, :event_id, :agg_type, :agg_id, :epoch, :from_version, :version, :routing_key,
    cast(:headers as jsonb), :payload
)
on conflict (consumer, event_id) do update
    set from_version = least(inbox_parked.from_version, excluded.from_version)
returning (xmax = 0) as is_new
""")
_UNPARK = text("""
delete from inbox_parked where consumer = :consumer and event_id = any(cast(:ids as uuid[]))
returning agg_type, agg_id
""")
_SKIP_HEAD = text("""
update inbox_stream set version = greatest(version, blocked_version),
    blocked_by = null, blocked_version = null,
    gap_since = null, asked_at = null, alerted_at = null, gap_head = null
where consumer = :consumer and blocked_by = :event_id
""")
_SKIP_GAP = text("""
with head as (
    delete from inbox_parked p using inbox_stream s
    where s.consumer = :consumer and s.gap_head = :event_id and p.consumer = :consumer
      and p.event_id = :event_id
    returning p.agg_type, p.agg_id, p.version
)
update inbox_stream s set version = greatest(s.version, head.version), parked = s.parked - 1,
    gap_since = null, asked_at = null, alerted_at = null, gap_head = null
from head where s.consumer = :consumer and s.agg_type = head.agg_type and s.agg_id = head.agg_id
""")


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How long a gap is borne, in seconds, and how much may be parked behind one head."""

    resend_after: float = 2.0
    """After this the owner is asked to send the missing versions again."""
    alert_after: float = 60.0
    give_up_after: float = 600.0
    """After this the first event behind the gap is shown to operators as a dead letter."""
    parked_max: int = 10_000
    """Events per stream; what comes on top waits in the broker."""
    sweep_every: float = 1.0


class VersionTaken(Permanent):
    """The stream has passed this version already: applied behind its successors, the event would lie."""

    code = "version-taken"


class Forked(Permanent):
    """The owner's new epoch has another event of a version that the stream has passed.

    What was applied of it never was, by its owner's account: an operator decides what to do about that.
    """

    code = "forked"


class StreamFull(Retryable):
    """So much is parked behind the stream's head that no more is taken."""

    code = "stream-full"


class Turn(Enum):
    """What an event's place in its stream means for it."""

    NOW = auto()
    """It is the next one, or the head that is tried again."""
    LATER = auto()
    """It waits: for the head, or for missing versions."""
    OVER = auto()
    """A further copy of something that is accounted for."""


@dataclass(slots=True)
class StrictStream:
    """Where a consumer stands in one aggregate's events; to be used under its row lock."""

    key: StreamKey
    epoch: int
    version: int
    last_event_id: UUID | None
    blocked_by: UUID | None
    blocked_version: int | None
    parked: int
    gap_head: UUID | None
    changed: bool = False
    moved: bool = False

    def turn_of(self, event: Envelope) -> Turn:
        """Say whether it is an event's turn; raises `VersionTaken` or `Forked`.

        A new epoch whose first event is the next one tells the same history as far as the stream has heard
        it, as after the promotion of a standby that had everything. An owner that was set back counts on
        from a lower version. An operator's replay of the head says "go on from here", over a gap or a fork.
        """
        is_head = event.event_id in (self.blocked_by, self.gap_head)
        if is_head and event.replay_id is not None:
            return Turn.NOW
        if event.epoch > self.epoch and event.version <= self.version:
            if is_head:
                return Turn.OVER
            if self.blocked_by is not None:
                return Turn.LATER
            raise Forked(f"version {event.version} of epoch {event.epoch} was another event in {self.epoch}")
        if event.epoch < self.epoch or event.version <= self.version:
            raise VersionTaken(f"the stream stands at version {self.version}, this is {event.version}")
        if self.blocked_by is not None and not is_head:
            return Turn.LATER
        return Turn.NOW if first_version(event) <= self.version + 1 else Turn.LATER

    def move(self, event: Envelope) -> None:
        """Note an applied event: the stream stands there, and nothing holds it up."""
        self.epoch, self.version, self.last_event_id = event.epoch, event.version, event.event_id
        self.blocked_by = self.blocked_version = self.gap_head = None
        self.changed = self.moved = True

    def block(self, event: Envelope) -> None:
        """Note that an event is the head: nothing is applied before it."""
        self.blocked_by, self.blocked_version = event.event_id, event.version
        self.changed = True


def first_version(event: Envelope) -> int:
    """The first version that an event stands for: those before its own hold nothing for this consumer."""
    return min(event.from_version or event.version, event.version)


class StreamStore:
    """One consumer's strict streams in one transaction, locked."""

    def __init__(self, session: AsyncSession, consumer: str) -> None:
        self._session = session
        self._consumer = consumer
        self.streams: dict[StreamKey, StrictStream] = {}

    async def lock(self, keys: Collection[StreamKey]) -> None:
        """Lock these aggregates' streams; ones not met before begin at version 0."""
        ordered = sorted(set(keys))
        places = {"types": [key[0] for key in ordered], "ids": [key[1] for key in ordered]}
        rows = await self._session.execute(_LOCK, {"consumer": self._consumer, **places})
        for row in rows:
            key = (row.agg_type, row.agg_id)
            self.streams[key] = StrictStream(key, *row[2:])

    async def applied(self, ids: Collection[UUID]) -> set[UUID]:
        """Which of these events the consumer has applied.

        Whoever marks one holds its stream's lock, so under the lock the answer cannot change.
        """
        rows = await self._session.execute(_APPLIED, {"consumer": self._consumer, "ids": list(ids)})
        return set(rows.scalars())

    async def park(self, delivery: Delivery, event: Envelope, limit: int) -> bool:
        """Keep an event until its turn; False when it was there already. Raises `StreamFull`."""
        stream = self.streams[stream_key(event)]
        if stream.parked >= limit:
            raise StreamFull(f"{stream.parked} events wait behind {stream.blocked_by or 'a gap'}")
        row = {
            "consumer": self._consumer,
            "event_id": event.event_id,
            "agg_type": event.aggregate,
            "agg_id": event.subject,
            "epoch": event.epoch,
            "from_version": first_version(event),
            "version": event.version,
            "routing_key": delivery.message.routing_key or "",
            "headers": json.dumps(h.jsonable(h.without_broker_headers(delivery.headers))),
            "payload": bytes(delivery.message.body),
        }
        is_new = bool((await self._session.execute(_PARK, row)).scalar_one())
        if is_new:
            stream.parked += 1
            stream.changed = True
        return is_new

    async def unpark(self, ids: Sequence[UUID]) -> None:
        """Drop events that no longer wait."""
        if not ids or not any(stream.parked for stream in self.streams.values()):
            return
        rows = await self._session.execute(_UNPARK, {"consumer": self._consumer, "ids": list(ids)})
        for row in rows:
            stream = self.streams[row.agg_type, row.agg_id]
            stream.parked -= 1
            stream.changed = True

    async def save(self) -> None:
        """Write back the streams that changed."""
        rows: list[dict[str, Any]] = [
            {
                "consumer": self._consumer,
                "agg_type": stream.key[0],
                "agg_id": stream.key[1],
                "epoch": stream.epoch,
                "version": stream.version,
                "last_event_id": stream.last_event_id,
                "blocked_by": stream.blocked_by,
                "blocked_version": stream.blocked_version,
                "parked": stream.parked,
                "moved": stream.moved,
            }
            for stream in self.streams.values()
            if stream.changed
        ]
        if rows:
            await self._session.execute(_SAVE, rows)


def stream_key(event: Envelope) -> StreamKey:
    """Which stream of a consumer an event belongs to."""
    return (event.aggregate, event.subject)


async def skip_head(session: AsyncSession, consumer: str, event_id: UUID) -> None:
    """Give up the event that holds a stream up: the stream goes on behind it, and behind its gap.

    Nothing happens when the event is no head (any more): a decision that comes twice is one decision.
    """
    given = {"consumer": consumer, "event_id": event_id}
    await session.execute(_SKIP_HEAD, given)
    await session.execute(_SKIP_GAP, given)
