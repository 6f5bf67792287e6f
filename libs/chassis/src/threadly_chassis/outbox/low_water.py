"""Low-water marks: how far back a relay need not look (eventing §3.4.4).

A deleted pointer stays in its index for as long as any snapshot in the cluster is older: a report that runs
for ten minutes at a thousand events a second left 600 000 of them before the first that lives, and every look
stepped over all of them. A pointer at or below a shard's mark cannot come into being any more: once every
transaction that was under way when an id was the last one drawn has ended, all ids until then are pending or
gone. An id may be drawn a moment before its transaction gets a number, hence a second between the two looks.

One thing does bring back old ids: an event that was scheduled gets its pointer when it is due. So marks are
left aside once a second; it is late by that much, and promised no order.
"""

import time

import psycopg

#: Seconds between two steps towards higher marks.
_STEP_EVERY = 1.0
#: Seconds between two looks without any mark.
_LOOK_BACK_EVERY = 1.0
_LAST_ID = b"select pg_sequence_last_value(pg_get_serial_sequence('outbox_event', 'id')::regclass)"
_AFTER = b"select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_ENDED = b"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# Up to the oldest pointer that is left, so that marks rise within a backlog, too: a relay that had moved
# 600 000 events of one stepped over all their pointers at every look; 22 µs of PostgreSQL an event, not 15.
_PASSED = """
select s.shard - 1, least(%s, (
    select p.id - 1 from outbox_pending p
    where p.shard = s.shard - 1 and p.id > s.low order by p.id limit 1
)) from unnest(%s::bigint[]) with ordinality as s (low, shard)
"""


class LowWater:
    """The marks of one relay task, in memory only."""

    def __init__(self, shards: int) -> None:
        self._low = [0] * shards
        self._none = [0] * shards
        #: The last id that was drawn, and the first transaction number that was free a step later.
        self._last_id: int | None = None
        self._after: int | None = None
        self._stepped_at = self._looked_back_at = time.monotonic()

    def marks(self) -> list[int]:
        """The mark of each shard; all zero once a second."""
        now = time.monotonic()
        if now - self._looked_back_at >= _LOOK_BACK_EVERY:
            self._looked_back_at = now
            return self._none
        return self._low

    async def step(self, connection: psycopg.AsyncConnection) -> None:
        """Go one step towards higher marks, if one is due; each is a statement.

        Statements of one transaction see different snapshots (READ COMMITTED): the order of the steps counts.
        """
        now = time.monotonic()
        if now - self._stepped_at < _STEP_EVERY:
            return
        self._stepped_at = now
        if self._last_id is None:
            self._last_id = await _number(connection, _LAST_ID)
        elif self._after is None:
            self._after = await _number(connection, _AFTER)
        elif await _number(connection, _ENDED) >= self._after:
            await self._raise(connection, self._last_id)
            self._last_id = self._after = None

    async def _raise(self, connection: psycopg.AsyncConnection, last_id: int) -> None:
        cursor = await connection.execute(_PASSED, (last_id, self._low))
        for shard, passed in await cursor.fetchall():
            self._low[shard] = max(self._low[shard], passed)


async def _number(connection: psycopg.AsyncConnection, query: bytes) -> int:
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
