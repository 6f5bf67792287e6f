"""The indexes by name: rows in the store, each primary with its tantivy side."""

from typing import Any

from .errors import index_missing
from .index import TantivyIndex
from .options import Plan, plan_of, replica_names
from .records import Record
from .store import Store


class Catalogue:
    """What writers work on and what searches read; the second follows the first at each ``publish``."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._indexes: dict[str, TantivyIndex] = {}
        self._serving: dict[str, TantivyIndex] = {}
        self._dirty: set[TantivyIndex] = set()

    def settings(self, name: str) -> dict[str, Any]:
        """Return the settings in force: a replica's own over its primary's; empty when there is no index."""
        row = self.store.index(name)
        if row is None:
            return {}
        return {**(self.settings(row.primary) if row.primary else {}), **row.settings}

    def source_of(self, name: str) -> str | None:
        """Name the index whose records a search reads: the primary of a replica; None when there is none."""
        row = self.store.index(name)
        return (row.primary or row.name) if row else None

    def plan(self, name: str) -> Plan:
        settings = self.settings(name)
        return plan_of(settings, [self.settings(replica) for replica in replica_names(settings)])

    def tantivy(self, name: str) -> TantivyIndex:
        """Return the index of a primary, built from the records when its shape has changed."""
        index, plan = self._indexes.get(name), self.plan(name)
        if index is None or index.plan != plan:
            index = TantivyIndex(plan)
            for number, record in self.store.records(name):
                index.put(number, record)
            self._indexes[name] = index
            self._dirty.add(index)
        return index

    def serving(self, name: str) -> TantivyIndex:
        """Return what searches read: the index as of the last published task; 404 before the first."""
        if (index := self._serving.get(name)) is None:
            raise index_missing(name)
        return index

    def take_dirty(self) -> set[TantivyIndex]:
        """Hand over the indexes that need a commit before the next ``publish``."""
        dirty, self._dirty = self._dirty, set()
        return dirty & set(self._indexes.values())

    def publish(self) -> None:
        """Let searches read every index as it is now."""
        self._serving = dict(self._indexes)

    def forget(self, name: str) -> None:
        """Let go of the tantivy side; searches keep the last published one until the next ``publish``."""
        self._indexes.pop(name, None)

    def rebuild(self, name: str) -> None:
        """Throw away what a failed task left behind in the index."""
        self.forget(name)
        if self.store.index(name) is not None:
            self.tantivy(name)

    def rename(self, source: str, destination: str) -> None:
        self.forget(destination)
        index = self._indexes.pop(source, None)
        if index is not None:
            self._indexes[destination] = index

    # ── records ──

    def put(self, name: str, record: Record) -> None:
        index = self.tantivy(name)
        index.put(self.store.put(name, record), record)
        self._dirty.add(index)

    def remove(self, name: str, object_id: str) -> None:
        number = self.store.delete(name, object_id)
        if number is not None:
            index = self.tantivy(name)
            index.delete(number)
            self._dirty.add(index)

    def clear(self, name: str) -> None:
        self.store.clear(name)
        self.forget(name)
        self.tantivy(name)
