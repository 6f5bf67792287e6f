"""Forgetting: old partitions of the log and the inbox are dropped whole, once nobody can need them.

Never by age alone. A partition of the log stays while an event in it is pending (blocked ones are),
scheduled, or still to be streamed by a rebuild; one of the inbox stays while a reader of this service is
being rebuilt. Both are looked at again under the lock under which the partition is dropped. Ages are the
database's: a host whose clock is wrong drops nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import sql

from ..observability.logging import get_logger
from .partitions import (
    INBOX,
    OUTBOX,
    Partition,
    Partitioned,
    begin_work,
    database_time,
    first_id_of,
    last_id,
    lock_out,
    partitions_of,
)

_CHUNK = 5_000

# By index in each case; the newest row of a partition is the one with its highest id.
_HISTORY_NEEDED = """
select (select created_at from {partition} order by id desc limit 1)
         > clock_timestamp() + %(shift)s - %(keep)s,
       exists (select from outbox_shard s where exists (
           select from outbox_pending p where p.shard = s.shard and p.id >= %(low)s and p.id < %(high)s)),
       exists (select from outbox_scheduled where id >= %(low)s and id < %(high)s),
       exists (select from rebuild_source where state not in ('streamed', 'abandoned')
               and position < %(high)s - 1 and coalesce(last_id, %(high)s) >= %(low)s)
"""
_MARKS_NEEDED = "select exists (select from rebuild_reader where state = 'running')"
_RAISE_FLOOR = "update inbox_window set floor = greatest(floor, %s)"
# Behind the floor a mark decides nothing any more: see `messaging.inbox`.
_CLEAR_DEFAULT_INBOX = """
delete from inbox_default where ctid = any (array(
    select ctid from inbox_default where event_id < (select floor from inbox_window) limit %s
))
"""
_CLEAR_KEYS = """
delete from idempotency_key where ctid = any (array(
    select ctid from idempotency_key where created_at < clock_timestamp() + %s - %s limit %s
))
"""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept."""

    history: timedelta = timedelta(days=90)
    """Events in the log, counted from their append."""
    inbox: timedelta = timedelta(days=180)
    """Inbox marks, counted from their event's id: within it a duplicate is refused."""
    keys: timedelta = timedelta(days=7)
    """Answers kept for an `Idempotency-Key`."""
    shift: timedelta = timedelta()
    """Added to the database's clock; moved by tests."""


class Fate(StrEnum):
    """What became of a partition in a round."""

    DROPPED = "dropped"
    YOUNG = "young"
    BUSY = "busy"
    """Somebody holds the table: next time."""
    PENDING = "pending"
    SCHEDULED = "scheduled"
    REBUILD = "rebuild"


#: Past its retention, and held by something: what operators are shown.
HELD: Final = (Fate.PENDING, Fate.SCHEDULED, Fate.REBUILD)


def drop_history(connection: psycopg.Connection, retention: Retention) -> dict[str, Fate]:
    """Drop what the log need not keep; returns each full partition's fate."""
    newest = last_id(connection)
    full = [partition for partition in partitions_of(connection, OUTBOX) if partition.high <= newest]
    fates = {}
    for partition in full:
        fates[partition.name] = _drop(
            connection, OUTBOX, partition, partial(_fate_of, connection, partition, retention)
        )
    rest = _default_history(connection)
    if rest is not None:
        fates[rest.name] = _drop(connection, OUTBOX, rest, partial(_fate_of_default, connection, retention))
    return fates


def _default_history(connection: psycopg.Connection) -> Partition | None:
    """The default partition with the bounds that its rows have at this moment; None when it is empty."""
    row = connection.execute("select min(id), max(id) from outbox_event_default").fetchone()
    return None if row is None or row[0] is None else Partition(OUTBOX.default, row[0], row[1] + 1)


def _fate_of_default(connection: psycopg.Connection, retention: Retention) -> Fate:
    # Its bounds move until it is locked: it is the one old partition that may still be written to.
    rest = _default_history(connection)
    return Fate.YOUNG if rest is None else _fate_of(connection, rest, retention)


def _drop(
    connection: psycopg.Connection, parent: Partitioned, partition: Partition, fate: Callable[[], Fate]
) -> Fate:
    """Drop a partition unless there is a reason to keep it; the first look only saves the locks."""
    try:
        decided = fate()
        return _under_lock(connection, parent, partition, fate) if decided is Fate.DROPPED else decided
    except psycopg.errors.UndefinedTable:
        # Another housekeeper has been here.
        return Fate.DROPPED


def _fate_of(connection: psycopg.Connection, partition: Partition, retention: Retention) -> Fate:
    needed = sql.SQL(_HISTORY_NEEDED).format(partition=sql.Identifier(partition.name))
    values = {
        "low": partition.low,
        "high": partition.high,
        "keep": retention.history,
        "shift": retention.shift,
    }
    row = connection.execute(needed, values).fetchone() or (True,)
    reasons = (Fate.YOUNG, Fate.PENDING, Fate.SCHEDULED, Fate.REBUILD)
    return next((reason for reason, holds in zip(reasons, row, strict=False) if holds), Fate.DROPPED)


def drop_marks(connection: psycopg.Connection, retention: Retention) -> dict[str, Fate]:
    """Drop the inbox's months behind its window; returns the fate of each that is past it.

    The floor rises in the same transaction: whoever marks an event from then on is told that the event is
    older than what the inbox remembers.
    """
    oldest = first_id_of(database_time(connection) + retention.shift - retention.inbox)
    past = [partition for partition in partitions_of(connection, INBOX) if partition.high <= oldest]

    def fate() -> Fate:
        row = connection.execute(_MARKS_NEEDED).fetchone()
        return Fate.REBUILD if row and row[0] else Fate.DROPPED

    fates = {partition.name: _drop(connection, INBOX, partition, fate) for partition in past}
    if fate() is Fate.DROPPED:
        _in_chunks(connection, _CLEAR_DEFAULT_INBOX)
    return fates


def _under_lock(
    connection: psycopg.Connection, parent: Partitioned, partition: Partition, fate: Callable[[], Fate]
) -> Fate:
    """Drop a partition if under its lock there is still no reason to keep it.

    The lock is the parent's, which everybody takes who reads or writes any of its partitions. Those who have
    it are waited for; whoever comes later waits for us, and finds the table without the partition.
    """
    try:
        with connection.transaction():
            begin_work(connection)
            lock_out(connection, parent)
            decided = fate()
            if decided is Fate.DROPPED:
                _forget(connection, parent, partition)
    except psycopg.OperationalError as error:
        if connection.closed:
            raise
        _log.info("partition not dropped now", partition=partition.name, error=repr(error))
        return Fate.BUSY
    if decided is Fate.DROPPED:
        _log.info(
            "partition dropped", partition=partition.name, low=str(partition.low), high=str(partition.high)
        )
    return decided


def _forget(connection: psycopg.Connection, parent: Partitioned, partition: Partition) -> None:
    if parent is INBOX:
        connection.execute(_RAISE_FLOOR, (partition.high,))
    verb = "truncate" if partition.name == parent.default else "drop table"
    connection.execute(sql.SQL("{} {}").format(sql.SQL(verb), sql.Identifier(partition.name)))


def drop_keys(connection: psycopg.Connection, retention: Retention) -> int:
    """Delete the answers that no repetition is expected to ask for any more; returns how many."""
    return _in_chunks(connection, _CLEAR_KEYS, retention.shift, retention.keys)


def _in_chunks(connection: psycopg.Connection, statement: str, *values: Any) -> int:
    total = 0
    while True:
        gone = connection.execute(statement.encode(), (*values, _CHUNK)).rowcount
        total += gone
        if gone < _CHUNK:
            return total
