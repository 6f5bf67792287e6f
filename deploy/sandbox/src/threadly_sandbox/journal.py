"""What happened in the sandbox, newest last: the page shows it and tests read it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from weakref import WeakSet

Kind = Literal["mail", "realtime", "error", "webhook", "payment"]

_BACKLOG = 256  # entries a slow reader may fall behind before it loses the oldest ones


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening. `number` grows by one per entry and is never reused within a process."""

    number: int
    at: datetime
    kind: Kind
    summary: str
    detail: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


class Journal:
    """A bounded record with live readers; used from one event loop."""

    def __init__(self, limit: int = 2_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        # Weak: a reader that is dropped, started or not, takes its queue with it.
        self._readers: WeakSet[asyncio.Queue[Entry | None]] = WeakSet()
        self._last_number = 0

    def add(self, kind: Kind, summary: str, detail: dict[str, Any], *, at: datetime | None = None) -> Entry:
        """Record something; `detail` must be JSON-able. `at` (UTC) defaults to now."""
        self._last_number += 1
        entry = Entry(self._last_number, at or datetime.now(UTC), kind, summary, detail)
        self._entries.append(entry)
        for reader in self._readers:
            _offer(reader, entry)
        return entry

    def entries(self, kind: Kind | None = None) -> list[Entry]:
        """Everything remembered, oldest first."""
        return [entry for entry in self._entries if kind is None or entry.kind == kind]

    def subscribe(self) -> AsyncIterator[Entry]:
        """Yield each entry added from this call on, until `close`; a slow reader loses the oldest."""
        queue: asyncio.Queue[Entry | None] = asyncio.Queue(_BACKLOG)
        self._readers.add(queue)
        return _follow(queue)

    def close(self) -> None:
        """End every reader, so that no open page keeps a server from stopping."""
        for reader in self._readers:
            _offer(reader, None)


async def _follow(queue: asyncio.Queue[Entry | None]) -> AsyncIterator[Entry]:
    while (entry := await queue.get()) is not None:
        yield entry


def _offer(queue: asyncio.Queue[Entry | None], entry: Entry | None) -> None:
    with suppress(asyncio.QueueEmpty):
        if queue.full():
            queue.get_nowait()
    queue.put_nowait(entry)
