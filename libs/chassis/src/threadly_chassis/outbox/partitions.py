"""Partitions ahead of need: the outbox log by id, the inbox by the time in its UUIDv7s.

Cleaning is dropping a partition, never deleting rows; and a default partition stands behind both, so that a
late housekeeper causes no outage.
"""

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import psycopg
from psycopg import sql

from ..observability.logging import get_logger

#: Ids a partition of the log holds; about 5 GB at 1 KB an event.
OUTBOX_SPAN = 5_000_000
_OUTBOX_AHEAD = 2
_INBOX_MONTHS_AHEAD = 3

_log = get_logger(__name__)


def _month(moment: datetime, ahead: int) -> datetime:
    months = moment.year * 12 + moment.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def first_id_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 that carries a moment: a partition's bound."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _outbox_partitions(last_id: int) -> list[tuple[str, int, int]]:
    current = last_id // OUTBOX_SPAN
    return [
        (f"outbox_event_p{number}", number * OUTBOX_SPAN, (number + 1) * OUTBOX_SPAN)
        for number in range(current, current + _OUTBOX_AHEAD + 1)
    ]


def _inbox_partitions(now: datetime) -> list[tuple[str, UUID, UUID]]:
    months = [_month(now, ahead) for ahead in range(-1, _INBOX_MONTHS_AHEAD + 1)]
    return [(f"inbox_{start:%Y_%m}", first_id_of(start), first_id_of(end)) for start, end in pairwise(months)]


async def ensure_partitions(database_url: str) -> None:
    """Create the partitions that this and the coming months need; raises `psycopg.OperationalError`.

    One whose rows already lie in the default partition is left out with a warning: it would need them moved.
    """
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True, connect_timeout=5)
    async with connection:
        row = await (await connection.execute("select coalesce(max(id), 0) from outbox_event")).fetchone()
        last_id = int(row[0]) if row else 0
        wanted = [("outbox_event", *p) for p in _outbox_partitions(last_id)]
        wanted_too = [("inbox", *p) for p in _inbox_partitions(datetime.now(UTC))]
        for parent, name, low, high in (*wanted, *wanted_too):
            statement = sql.SQL(
                "create table if not exists {} partition of {} for values from ({}) to ({})"
            ).format(sql.Identifier(name), sql.Identifier(parent), sql.Literal(low), sql.Literal(high))
            try:
                await connection.execute("set lock_timeout = '2s'")
                await connection.execute(statement)
            except (psycopg.errors.CheckViolation, psycopg.errors.LockNotAvailable) as error:
                _log.warning("partition not made", partition=name, error=repr(error))
