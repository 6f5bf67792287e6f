"""The truth of the search provider: indexes, records and unfinished tasks, in one SQLite file."""

import json
import sqlite3
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .records import Record

_SCHEMA = """
create table if not exists indexes (
    name text primary key, settings text not null, primary_name text,
    created_at text not null, updated_at text not null
);
create table if not exists records (
    record_id integer primary key autoincrement, index_name text not null, object_id text not null,
    body text not null, unique (index_name, object_id)
);
create table if not exists pending (
    task_id integer primary key autoincrement, index_name text not null, operation text not null
);
"""
_CACHED_RECORDS = 20_000  # parsed bodies kept in memory; about 2 kB each for a product


def now() -> str:
    """The time as Algolia writes it: UTC, milliseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class IndexRow:
    name: str
    settings: dict[str, Any]
    primary: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Pending:
    """A task that was accepted and is not applied yet; tasks apply in the order of their ids."""

    task_id: int
    index: str
    operation: dict[str, Any]


class Store:
    """One connection, used from the event loop only: each statement takes microseconds.

    Without a folder the file is a temporary one, so that both ways run the same code.
    """

    def __init__(self, folder: Path | None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="algolia-") if folder is None else None
        path = Path(self._temporary.name) if self._temporary else folder
        assert path is not None  # noqa: S101 - one of the two is set
        path.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path / "algolia.sqlite3", isolation_level=None)
        self._db.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + _SCHEMA)
        self._parsed: OrderedDict[int, Record] = OrderedDict()

    def close(self) -> None:
        self._db.close()
        if self._temporary:
            self._temporary.cleanup()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes inside one commit, or none of them."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            self._parsed.clear()
            raise
        self._db.execute("commit")

    # ── indexes ──

    def index(self, name: str) -> IndexRow | None:
        row = self._db.execute("select * from indexes where name = ?", (name,)).fetchone()
        return _index_row(row) if row else None

    def indexes(self) -> list[IndexRow]:
        return [_index_row(row) for row in self._db.execute("select * from indexes order by name")]

    def put_index(
        self, name: str, settings: dict[str, Any] | None = None, primary: str | None = None
    ) -> None:
        """Create the index, or replace its settings and primary when settings are given."""
        at = now()
        self._db.execute(
            "insert into indexes values (?, ?, ?, ?, ?) on conflict (name) do update set updated_at = ?",
            (name, json.dumps(settings or {}), primary, at, at, at),
        )
        if settings is not None:
            self._db.execute(
                "update indexes set settings = ?, primary_name = ? where name = ?",
                (json.dumps(settings), primary, name),
            )

    def drop_index(self, name: str) -> None:
        self.clear(name)
        self._db.execute("delete from indexes where name = ?", (name,))

    # ── records ──

    def record_id(self, index: str, object_id: str) -> int | None:
        row = self._db.execute(
            "select record_id from records where index_name = ? and object_id = ?", (index, object_id)
        ).fetchone()
        return row[0] if row else None

    def record(self, record_id: int) -> Record | None:
        """Read by number; the caller must not change the dictionary, it is shared."""
        if (known := self._parsed.get(record_id)) is not None:
            self._parsed.move_to_end(record_id)
            return known
        row = self._db.execute("select body from records where record_id = ?", (record_id,)).fetchone()
        if row is None:
            return None
        parsed: Record = json.loads(row[0])
        self._parsed[record_id] = parsed
        if len(self._parsed) > _CACHED_RECORDS:
            self._parsed.popitem(last=False)
        return parsed

    def get(self, index: str, object_id: str) -> Record | None:
        number = self.record_id(index, object_id)
        return None if number is None else self.record(number)

    def put(self, index: str, record: Record) -> int:
        """Write a record; it keeps its number when it is replaced. Returns the number."""
        row = self._db.execute(
            "insert into records (index_name, object_id, body) values (?, ?, ?)"
            " on conflict (index_name, object_id) do update set body = excluded.body returning record_id",
            (index, record["objectID"], json.dumps(record, ensure_ascii=False)),
        ).fetchone()
        number: int = row[0]
        self._parsed.pop(number, None)
        return number

    def delete(self, index: str, object_id: str) -> int | None:
        number = self.record_id(index, object_id)
        if number is not None:
            self._db.execute("delete from records where record_id = ?", (number,))
            self._parsed.pop(number, None)
        return number

    def clear(self, index: str) -> None:
        self._db.execute("delete from records where index_name = ?", (index,))
        self._parsed.clear()

    def move_records(self, source: str, destination: str) -> None:
        self.clear(destination)
        self._db.execute("update records set index_name = ? where index_name = ?", (destination, source))

    def copy_records(self, source: str, destination: str) -> None:
        self.clear(destination)
        self._db.execute(
            "insert into records (index_name, object_id, body)"
            " select ?, object_id, body from records where index_name = ? order by record_id",
            (destination, source),
        )

    def records(self, index: str, after: int = 0, limit: int = -1) -> list[tuple[int, Record]]:
        """A page of an index in the order of record numbers; ``after`` is the last number already seen."""
        rows = self._db.execute(
            "select record_id, body from records where index_name = ? and record_id > ?"
            " order by record_id limit ?",
            (index, after, limit),
        )
        return [(number, json.loads(body)) for number, body in rows]

    def size(self, index: str) -> tuple[int, int]:
        """Count the records and their bytes."""
        row = self._db.execute(
            "select count(*), coalesce(sum(length(body)), 0) from records where index_name = ?", (index,)
        ).fetchone()
        return row[0], row[1]

    # ── tasks ──

    def enqueue(self, index: str, operation: dict[str, Any]) -> int:
        """Keep a task until it is applied: an accepted write survives a restart. Returns its id."""
        cursor = self._db.execute(
            "insert into pending (index_name, operation) values (?, ?)", (index, json.dumps(operation))
        )
        return cursor.lastrowid or 0

    def pending(self) -> list[Pending]:
        rows = self._db.execute("select task_id, index_name, operation from pending order by task_id")
        return [Pending(task_id, index, json.loads(operation)) for task_id, index, operation in rows]

    def finish(self, through: int) -> None:
        self._db.execute("delete from pending where task_id <= ?", (through,))

    def last_task(self) -> int:
        row = self._db.execute("select seq from sqlite_sequence where name = 'pending'").fetchone()
        return row[0] if row else 0


def _index_row(row: tuple[str, str, str | None, str, str]) -> IndexRow:
    return IndexRow(row[0], json.loads(row[1]), row[2], row[3], row[4])
