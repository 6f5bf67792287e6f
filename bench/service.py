"""The service that is measured: one event, one consumer whose handler notes the time and nothing else."""

import os
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from threadly_chassis.db import Database
from threadly_chassis.messaging import Consumer, Context, Gate, Subscriptions
from threadly_chassis.settings import ServiceSettings
from threadly_contracts import Event

#: Brings a body to the 400 to 500 bytes that Threadly's own events have.
PADDING = "Silk dress, worn twice, from a wardrobe that is being cleared. " * 5
CONSUMER = "bench.meter"

_ENTRY = struct.Struct("<qq")
ENTRY_BYTES = _ENTRY.size


class ItemWeighed(Event, type="threadly.bench.item_weighed.v1", aggregate="item", subject="item"):
    """`number` tells the events of one run apart."""

    item: str
    number: int
    text: str = PADDING


class BenchSettings(ServiceSettings):
    service: ClassVar[str] = "bench"

    record: Path | None = None
    """Where the handler notes each start; None notes nothing."""


class Record:
    """The handler's starts, 16 bytes each: the event's number and the machine's monotonic nanoseconds.

    The monotonic clock is one for all processes of a machine, so two of them can measure a way between them.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if path else None
        self.count = 0
        self.first = 0.0
        """When the first handler started, by `time.perf_counter`."""

    def note(self, number: int) -> None:
        """Note that a handler starts now."""
        self.first = self.first or time.perf_counter()
        self.count += 1
        if self._file is not None:
            os.write(self._file, _ENTRY.pack(number, time.monotonic_ns()))

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            os.close(self._file)


def read_record(path: Path) -> list[tuple[int, int]]:
    """Every noted start: (number, monotonic nanoseconds), in order of time."""
    content = path.read_bytes() if path.exists() else b""
    return list(_ENTRY.iter_unpack(content[: len(content) // _ENTRY.size * _ENTRY.size]))


@dataclass(frozen=True)
class BenchDeps:
    db: Database
    record: Record


async def _weigh(event: ItemWeighed, context: Context[BenchDeps]) -> None:
    context.deps.record.note(event.number)


METER = Consumer(CONSUMER, gate=Gate.NONE, handlers={ItemWeighed: _weigh})
SUBSCRIPTIONS = Subscriptions("bench", METER)


def production_settings(database_url: str, amqp_url: str) -> BenchSettings:
    """Production mode: without the sandbox's fault switch, which costs a query a batch."""
    values = {"database_url": database_url, "amqp_url": amqp_url, "redis_url": "redis://unused"}
    return BenchSettings.model_validate(values | {"mode": "production", "cursor_secret": uuid4().hex})


@asynccontextmanager
async def open_deps(settings: BenchSettings) -> AsyncIterator[BenchDeps]:
    """Open the database and the record."""
    db, record = Database.open(settings), Record(settings.record)
    try:
        yield BenchDeps(db=db, record=record)
    finally:
        record.close()
        await db.close()
