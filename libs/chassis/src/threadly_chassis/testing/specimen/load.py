"""Writers that keep a specimen busy, and waiting that allows for a busy machine."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from ...tasks import end_tasks, wait_until
from ..probes import eventually
from .harness import Specimen
from .service import write_note

_FINISH_SECONDS = 20.0


def patience(seconds: float) -> float:
    """Stretch a bound by how often this machine's processors are wanted at once; alone, it is the bound."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def patiently(probe: Callable[[], Any], *, describe: str, seconds: float = 30.0) -> None:
    """`eventually`, within a bound that is stretched by `patience`."""
    await eventually(probe, timeout=patience(seconds), describe=describe)


class RolledBack(Exception):
    """The load changes its mind after it has published: nothing of that may ever be seen."""


@dataclass
class Load:
    """Writers on several aggregates, steered by a seed; a part of their transactions is rolled back."""

    specimen: Specimen
    chance: random.Random
    length: int = 1
    """Factor on every `goes_on`: 1 in the short form of a test."""
    aggregates: int = 8
    rollback_share: float = 0.1
    pause: float = 0.1
    """Mean seconds between one writer's transactions."""
    says: Sequence[str] = ("",)
    answered: list[UUID] = field(default_factory=list)
    """The events of the transactions whose commit was answered, in the order of the answers."""
    rolled_back: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def committed(self) -> int:
        """How many transactions were committed, by the answers."""
        return len(self.answered)

    @asynccontextmanager
    async def running(self, writers: int = 2) -> AsyncIterator[None]:
        """Write for the block's time; what is begun is finished, so that `committed` is exact."""
        ending = asyncio.Event()
        tasks = [asyncio.create_task(self._write_on(ending)) for _ in range(writers)]
        try:
            yield
        finally:
            ending.set()
            await asyncio.wait(tasks, timeout=_FINISH_SECONDS)
            await end_tasks(*tasks)

    async def goes_on(self, more: int = 30) -> None:
        """Wait until `more` transactions (`length` times as many) have been committed from now on."""
        count = self.committed + more * self.length
        await patiently(
            lambda: self.committed >= count, seconds=30.0 * self.length, describe=f"{count} transactions"
        )

    async def _write_on(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            try:
                await self._write_once()
            except RolledBack:
                self.rolled_back += 1
            except (SQLAlchemyError, OSError) as error:
                self.errors.append(repr(error))
            await wait_until(ending, self.chance.uniform(0, 2 * self.pause))

    async def _write_once(self) -> None:
        async with self.specimen.db.transaction() as tx:
            note = f"note-{self.chance.randrange(self.aggregates)}"
            await write_note(tx, note, self.chance.choice(self.says))
            if self.chance.random() < self.rollback_share:
                raise RolledBack
        self.answered += (append.event_id for append in tx.appends)
