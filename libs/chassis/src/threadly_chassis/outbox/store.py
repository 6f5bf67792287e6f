"""The relay's statements, on one connection of its own.

The row lock on a shard is its lease: the server frees it when a relay dies, and it needs no clock. The lock
and the fetch are separate statements, so that the fetch sees all that the previous holder has deleted.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Self

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import set_json_loads
from pydantic import TypeAdapter

from ..observability.logging import get_logger
from .append import SHARDS
from .low_water import LowWater

#: Above the confirm timeout, below the point where a wedged relay starves its shards.
_IDLE_TIMEOUT = "15s"

#: A queue's statistics are always those of another hour. Trusting them, PostgreSQL read and sorted the whole
#: backlog; each step here is right by index, in index order, whatever the tables' size.
_BY_INDEX = """
set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off
"""
# A shard with nothing pending is left alone: locking a row writes to it, and idle relays look all the time.
_LEASE = """
select shard from outbox_shard s
where enabled and coalesce(backoff_until, '-infinity') <= now()
  and exists (
      select from outbox_pending p where p.shard = s.shard and p.id > (%s::bigint[])[s.shard + 1]
  )
order by random() limit %s for update of s skip locked
"""
_SAID = """
e.event_id::text, e.agg_type, e.agg_id, e.agg_version, e.event_type, e.schema_major, e.headers,
e.payload, (extract(epoch from e.created_at) * 1000000)::bigint as appended_at
"""
#: What an `OutboxRow` is made of, of `outbox_event e`.
ROW_COLUMNS = f"e.id, e.shard, {_SAID}"
# Per shard and in id order with a limit: a prefix of each shard, so version 2 never leaves before version 1.
# Which is why a pointer whose event is not there is not left out either (`_without_gaps`).
# `shard = any(…) order by id` would sort the whole backlog: 5.9 against 38 thousand events a second. Only the
# pointers that the batch takes are followed: following all shards' made 200 ms of 7 for 512 events.
_FETCH = f"""
select due.id, due.shard, {_SAID}
from (
    select p.id, s.shard from unnest(%s::smallint[], %s::bigint[]) as s (shard, low)
    cross join lateral (
        select p.id from outbox_pending p
        where p.shard = s.shard and p.id > s.low and (
            not (select exists (select from outbox_blocked))
            or not exists (
                select from outbox_event e join outbox_blocked b using (agg_type, agg_id) where e.id = p.id
            )
        )
        order by p.id limit %s
    ) p
    order by p.id limit %s
) due left join outbox_event e on e.id = due.id
order by due.id
"""  # noqa: S608 - a constant of this file
_SETTLE = """
delete from outbox_pending p using unnest(%s::smallint[], %s::bigint[]) as d (shard, id)
where p.shard = d.shard and p.id = d.id
"""
_BACK_OFF = """
update outbox_shard set backoff_until = now() + %s * interval '1 second' where shard = any(%s)
"""
_BLOCK = """
insert into outbox_blocked (agg_type, agg_id, from_version, reason) values (%s, %s, %s, %s)
on conflict do nothing
"""
_PROMOTE = """
with due as (
    delete from outbox_scheduled where (due_at, id) in (
        select due_at, id from outbox_scheduled where due_at <= now() order by due_at, id
        limit 1000 for update skip locked
    ) returning shard, id
)
insert into outbox_pending (shard, id) select shard, id from due
"""
_GAUGES = """
select (select count(*) from outbox_pending),
       (select extract(epoch from clock_timestamp() - min(e.created_at))
          from (select min(id) as id from outbox_pending group by shard) p join outbox_event e using (id)),
       (select count(*) from outbox_blocked)
"""


_log = get_logger(__name__)

#: Reads a row's headers; three times faster than the standard library's JSON.
_HEADERS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class OutboxRow(NamedTuple):
    """One pending event as it was appended; the fields are in the order of the relay's query.

    A tuple, because one is made for each event: a frozen dataclass like it takes five times as long.
    """

    id: int
    shard: int
    event_id: str
    agg_type: str
    agg_id: str
    agg_version: int
    event_type: str
    schema_major: int
    headers: dict[str, Any]
    """What the other columns do not say (`to_message` puts those into headers, too)."""
    payload: bytes
    appended_at: int
    """In microseconds since 1970."""

    @property
    def aggregate(self) -> tuple[str, str]:
        """What keeps its order."""
        return (self.agg_type, self.agg_id)


def _array(numbers: Iterable[int]) -> str:
    """Write an array as PostgreSQL reads it; psycopg's own way, number by number, costs ten times as much."""
    return f"{{{','.join(map(str, numbers))}}}"


def _without_gaps(rows: list[OutboxRow]) -> list[OutboxRow]:
    """Hold each shard at the first pointer whose event was not found: what comes after might be its next.

    It is there at the next look if somebody moved it meanwhile (see `partitions.lock_out`). If not, somebody
    has deleted it by hand, and its shard stands until he has put it back or deleted the pointer.
    """
    missing: dict[int, int] = {}
    for row in rows:
        if row.event_id is None:
            missing.setdefault(row.shard, row.id)
    if not missing:
        return rows
    _log.error("pending events not found", first_of_shard=missing)
    return [row for row in rows if row.id < missing.get(row.shard, row.id + 1)]


class OutboxStore:
    """The outbox as one relay task sees it; every call belongs to the transaction that `commit` ends."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection
        self._low_water = LowWater(SHARDS)
        self._marks: Sequence[int] = ()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect; raises `psycopg.OperationalError`."""
        connection = await psycopg.AsyncConnection.connect(
            url, connect_timeout=5, application_name="threadly relay"
        )
        try:
            await connection.execute(f"set idle_in_transaction_session_timeout = '{_IDLE_TIMEOUT}'")
            await connection.execute(_BY_INDEX)
            set_json_loads(_HEADERS.validate_json, connection)
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        return cls(connection)

    async def lease(self, shards: int) -> list[int]:
        """Lock up to `shards` free shards in which something is pending, until the transaction ends.

        Scheduled events whose time has come by the database's clock are made pending first.
        """
        self._marks = self._low_water.marks()
        async with self._connection.pipeline():
            await self._connection.execute(_PROMOTE)
            cursor = await self._connection.execute(_LEASE, (_array(self._marks), shards))
        leased = [row[0] for row in await cursor.fetchall()]
        if leased:
            await self._low_water.step(self._connection)
        return leased

    async def fetch(self, shards: Sequence[int], limit: int) -> list[OutboxRow]:
        """Read the oldest pending events of leased shards, of each its share of about `limit` in all.

        Those of blocked aggregates are left out; a shard ends before an event that is not in the log.
        """
        share = -(-limit // len(shards))
        async with self._connection.cursor(row_factory=args_row(OutboxRow)) as cursor:
            marks = _array(self._marks[shard] for shard in shards)
            await cursor.execute(_FETCH, (_array(shards), marks, share, limit), binary=True)
            return _without_gaps(await cursor.fetchall())

    async def back_off(self, shards: Collection[int], seconds: float) -> None:
        """Leave shards alone for a while."""
        await self._connection.execute(_BACK_OFF, (seconds, list(shards)))

    async def block(self, row: OutboxRow, reason: str) -> None:
        """Take an aggregate out of the relay's way: this event of it cannot be published."""
        await self._connection.execute(_BLOCK, (row.agg_type, row.agg_id, row.agg_version, reason))

    async def gauges(self) -> tuple[int, float, int]:
        """How many events wait, the age of the oldest in seconds, and how many aggregates are blocked."""
        row = await (await self._connection.execute(_GAUGES)).fetchone()
        pending, oldest, blocked = row or (0, 0, 0)
        return int(pending), float(oldest or 0), int(blocked)

    async def commit(self, settled: Collection[OutboxRow] = ()) -> None:
        """Take confirmed events off the pending list, end the transaction and free the shards."""
        if not settled:
            await self._connection.commit()
            return
        # One round trip: in a pipeline `Connection.commit` would make a second one of its own.
        async with self._connection.pipeline():
            rows = _array(row.shard for row in settled), _array(row.id for row in settled)
            await self._connection.execute(_SETTLE, rows)
            await self._connection.execute("commit")

    async def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        await self._connection.close()
