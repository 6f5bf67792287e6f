"""JSON documents in SQLite: a provider's whole state, in memory or in one file that outlives the process."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_in_order ON documents (kind, position);
"""

_POSITION = "(SELECT position FROM documents WHERE kind = ? AND id = ?)"

Comparison = Literal["=", ">", ">=", "<", "<=", "IN"]


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on a top-level field of the document, for example `Where("created", ">=", 5)`."""

    field: str
    comparison: Comparison
    value: Any

    def sql(self) -> tuple[str, list[Any]]:
        path = f"$.{self.field}"
        if self.comparison == "IN":
            marks = ",".join("?" * len(self.value))
            return f"json_extract(body, ?) IN ({marks})", [path, *self.value]
        return f"json_extract(body, ?) {self.comparison} ?", [path, self.value]


class Documents:
    """Documents by kind and id, kept in order of creation; used from one thread.

    Reads and writes are microseconds on a local file, so they run on the event loop.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._after_commit: list[Callable[[], object]] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are kept together, or none when the block raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            self._after_commit.clear()
            raise
        self._connection.execute("COMMIT")
        callbacks, self._after_commit = self._after_commit, []
        for callback in callbacks:
            callback()

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Run `callback` once the open transaction is kept; never when it is rolled back."""
        if not self._connection.in_transaction:
            msg = "after_commit needs an open transaction"
            raise RuntimeError(msg)
        self._after_commit.append(callback)

    def put(self, kind: str, document: Json) -> None:
        """Insert or replace by `document["id"]`; a replaced document keeps its place in the order."""
        self._connection.execute(
            "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, document["id"], json.dumps(document)),
        )

    def get(self, kind: str, document_id: str) -> Json | None:
        row = self._connection.execute(
            "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, document_id)
        ).fetchone()
        return None if row is None else _load(row)

    def delete(self, kind: str, document_id: str) -> None:
        self._connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, document_id))

    def delete_where(self, kind: str, *conditions: Where) -> None:
        clause, values = _clause(kind, conditions)
        self._connection.execute(f"DELETE FROM documents WHERE {clause}", values)  # noqa: S608 - our own text

    def find(
        self,
        kind: str,
        *conditions: Where,
        older_than: str | None = None,
        newer_than: str | None = None,
        limit: int = -1,
    ) -> list[Json]:
        """Newest first. With `newer_than` the ones created next after that id, still newest first."""
        clause, values = _clause(kind, conditions)
        for comparison, document_id in (("<", older_than), (">", newer_than)):
            if document_id is not None:
                clause += f" AND position {comparison} {_POSITION}"
                values += [kind, document_id]
        order = "DESC" if newer_than is None else "ASC"
        rows = self._connection.execute(
            f"SELECT body FROM documents WHERE {clause} ORDER BY position {order} LIMIT ?",  # noqa: S608 - same
            [*values, limit],
        ).fetchall()
        found = [_load(row) for row in rows]
        return found if newer_than is None else found[::-1]

    def close(self) -> None:
        self._connection.close()


def _clause(kind: str, conditions: Sequence[Where]) -> tuple[str, list[Any]]:
    parts, values = ["kind = ?"], [kind]
    for condition in conditions:
        text, arguments = condition.sql()
        parts.append(text)
        values += arguments
    return " AND ".join(parts), values


def _load(row: tuple[str]) -> Json:
    document: Json = json.loads(row[0])
    return document
