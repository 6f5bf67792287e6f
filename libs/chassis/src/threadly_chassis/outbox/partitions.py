"""Partitions ahead of need: the outbox's log by id, the inbox by the time in its UUIDv7s.

Cleaning is dropping a partition (`retention`), never deleting history row by row. A default partition stands
behind both tables, so that a late housekeeper costs nobody an event; what got into it meanwhile is moved when
the partition that it belongs to is made.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from ..observability.logging import get_logger

#: Ids a partition of the log holds; about 5 GB at 1 KB an event.
OUTBOX_SPAN: Final = 5_000_000
#: Whole partitions of the log behind the one that is being written.
OUTBOX_AHEAD: Final = 3
_INBOX_MONTHS_AHEAD = 3
#: Ids that may be drawn between our look at the sequence and the making of a partition: one second's.
_SOON = 20_000
#: Rows that are moved out of the default partition under its lock: 0.2 s of appends that wait.
_MOVE_AT_MOST = 10_000
#: Whoever waits for a table lock makes everybody behind it wait too: so not longer than this, and once more
#: later. A deadlock would show after 1 s only.
LOCK_TIMEOUT: Final = "250ms"
_STATEMENT_TIMEOUT = "5s"
#: An arbitrary number that all housekeepers lock, so that they take turns.
_LOCK = 7_406_114_307

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table partitioned by ranges of one column, with a default partition."""

    table: str
    key: str
    read: Callable[[str], Any]

    @property
    def default(self) -> str:
        """The partition for whatever no other wants."""
        return f"{self.table}_default"


OUTBOX: Final = Partitioned("outbox_event", "id", int)
INBOX: Final = Partitioned("inbox", "event_id", UUID)


@dataclass(frozen=True, slots=True)
class Partition:
    """A range of keys: `low` is in it, `high` is not."""

    name: str
    low: Any
    high: Any
    is_in_use: bool = False
    """Rows for it may be on their way now or in a moment, to the default partition."""

    def overlaps(self, others: Iterable["Partition"]) -> bool:
        """Whether one of the others has a key of this one."""
        return any(other.low < self.high and self.low < other.high for other in others)


def first_id_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 that carries a moment: a partition's bound."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def moment_of(event_id: UUID) -> datetime:
    """The time in a UUIDv7."""
    return datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)


def open_housekeeper(database_url: str) -> psycopg.Connection:
    """Connect as a housekeeper; raises `psycopg.OperationalError`."""
    return psycopg.connect(
        database_url, autocommit=True, connect_timeout=5, application_name="threadly housekeeper"
    )


def begin_work(connection: psycopg.Connection) -> None:
    """Within a transaction: bound its waits, and take turns with other housekeepers.

    Raises `psycopg.OperationalError` when another one does not end in time.
    """
    connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
    connection.execute(f"set local statement_timeout = '{_STATEMENT_TIMEOUT}'".encode())
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def lock_out(connection: psycopg.Connection, parent: Partitioned) -> None:
    """Wait for all who read or write any partition of a table, and make others wait, until the commit.

    Who has waited sees the partitions as they are then. Raises `psycopg.OperationalError` as `begin_work`.
    """
    connection.execute(
        sql.SQL("lock table only {} in access exclusive mode").format(sql.Identifier(parent.table))
    )


def partitions_of(connection: psycopg.Connection, parent: Partitioned) -> list[Partition]:
    """Read a table's partitions from the catalogue, lowest first, without the default."""
    rows = connection.execute(
        "select c.relname, pg_get_expr(c.relpartbound, c.oid) "
        "from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = %s::regclass",
        (parent.table,),
    )
    found = []
    for name, bounds in rows:
        # Without bounds: dropped by another housekeeper while we were reading.
        if match := re.search(r"FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)", bounds or ""):
            found.append(Partition(name, parent.read(match[1]), parent.read(match[2])))
    return sorted(found, key=lambda partition: partition.low)


def last_id(connection: psycopg.Connection) -> int:
    """The newest id that was drawn for the log, committed or not; 0 for none."""
    row = connection.execute(
        "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox_event', 'id')::regclass), 0)"
    ).fetchone()
    return int(row[0]) if row else 0


def outbox_wanted(existing: Sequence[Partition], newest: int, span: int) -> list[Partition]:
    """The partitions of the log that are missing for the next ids, behind those that exist.

    Their bounds follow from what is there, so `span` may change from one start to the next.
    """
    top = max((partition.high for partition in existing), default=0)
    if top <= newest:
        # Nobody made any for too long; the ids in between stay in the default partition.
        top = newest + 1
    wanted = []
    while top <= newest + OUTBOX_AHEAD * span:
        wanted.append(Partition(f"outbox_event_{top}", top, top + span, is_in_use=top <= newest + _SOON))
        top += span
    return wanted


def _month(moment: datetime, ahead: int) -> datetime:
    months = moment.year * 12 + moment.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def inbox_wanted(existing: Sequence[Partition], now: datetime) -> list[Partition]:
    """The months that are missing, from the one before this."""
    months = [_month(now, ahead) for ahead in range(-1, _INBOX_MONTHS_AHEAD + 2)]
    wanted = [
        Partition(f"inbox_{start:%Y_%m}", first_id_of(start), first_id_of(end), start < now)
        for start, end in pairwise(months)
    ]
    return [partition for partition in wanted if not partition.overlaps(existing)]


def database_time(connection: psycopg.Connection) -> datetime:
    """The one clock that all of a service's processes share."""
    row = connection.execute("select clock_timestamp()").fetchone()
    if row is None:
        raise LookupError("the database does not tell the time")
    told: datetime = row[0]
    return told


def make_partitions(
    connection: psycopg.Connection, *, span: int = OUTBOX_SPAN, shift: timedelta = timedelta()
) -> bool:
    """Make what the next ids and months need; returns whether all of it is there now.

    `shift` is added to the database's clock. What cannot be made now, because somebody holds the table, is
    left to the next round: meanwhile the default partition takes the rows.
    """
    wanted = [
        (OUTBOX, each) for each in outbox_wanted(partitions_of(connection, OUTBOX), last_id(connection), span)
    ]
    now = database_time(connection) + shift
    wanted += [(INBOX, each) for each in inbox_wanted(partitions_of(connection, INBOX), now)]
    made = [_made(connection, parent, partition) for parent, partition in wanted]
    return all(made)


def _made(connection: psycopg.Connection, parent: Partitioned, partition: Partition) -> bool:
    try:
        with connection.transaction():
            begin_work(connection)
            if not partition.overlaps(partitions_of(connection, parent)):
                _attach(connection, parent, partition)
    except (psycopg.errors.CheckViolation, psycopg.OperationalError) as error:
        # OperationalError: a lock or a statement timed out.
        if connection.closed:
            raise
        _log.warning("partition not made", partition=partition.name, error=repr(error))
        return False
    return True


def _attach(connection: psycopg.Connection, parent: Partitioned, partition: Partition) -> None:
    """Make a table and attach it; moves what the default partition holds of it.

    `create table … partition of` would lock out every append, and attaching locks the default partition only.
    That is not enough where rows may be on their way: whoever has chosen the default partition for a row
    before, and writes it after, gets an error; and whoever has planned to read that one before, and reads
    after, sees the rows neither there nor in the new one, of which it does not know. So everybody is locked
    out, for the moment, where they look up the partitions: at their parent.
    """
    if partition.is_in_use:
        lock_out(connection, parent)
    name = sql.Identifier(partition.name)
    connection.execute(
        sql.SQL(
            "create table {} (like {} including defaults including constraints including indexes "
            "including storage)"
        ).format(name, sql.Identifier(parent.table))
    )
    if strays := _strays(connection, parent, partition):
        _move(connection, parent, partition, strays)
    connection.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            sql.Identifier(parent.table), name, sql.Literal(partition.low), sql.Literal(partition.high)
        )
    )


def _strays(connection: psycopg.Connection, parent: Partitioned, partition: Partition) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from (select from {} where {key} >= %s and {key} < %s limit %s) s").format(
            sql.Identifier(parent.default), key=sql.Identifier(parent.key)
        ),
        (partition.low, partition.high, _MOVE_AT_MOST + 1),
    ).fetchone()
    return int(row[0]) if row else 0


def _move(connection: psycopg.Connection, parent: Partitioned, partition: Partition, strays: int) -> None:
    if strays > _MOVE_AT_MOST:
        msg = f"{parent.default} holds more than {_MOVE_AT_MOST} rows of {partition.name}"
        raise psycopg.errors.CheckViolation(msg)
    default, key = sql.Identifier(parent.default), sql.Identifier(parent.key)
    lock_out(connection, parent)
    connection.execute(
        sql.SQL(
            "with moved as (delete from {} where {key} >= %s and {key} < %s returning *) "
            "insert into {} select * from moved"
        ).format(default, sql.Identifier(partition.name), key=key),
        (partition.low, partition.high),
    )


async def ensure_partitions(database_url: str) -> None:
    """Make what the next ids and months need, as `make_partitions`; raises `psycopg.OperationalError`."""

    def make() -> None:
        with open_housekeeper(database_url) as connection:
            make_partitions(connection)

    await asyncio.to_thread(make)
