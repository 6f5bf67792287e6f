"""The specimen with a port to the outside; `python -m threadly_chassis.testing.specimen.ringing` runs it.

The bell stands for a provider. What it was really asked for is in its ledger, a file that outlives every
process.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...db import Database
from ...messaging import EffectConsumer, EffectContext, Subscriptions
from ...reach import Outside
from ...worker import run_worker
from .service import SUBSCRIPTIONS, NoteWritten, SpecimenSettings, log_effect

RINGER = "specimen.ringer"


class Bell(Protocol):
    """Something outside that is heard and cannot be unheard."""

    async def ring(self, event_id: str) -> None:
        """Ring for an event."""
        ...


@dataclass(frozen=True)
class FileBell:
    """Writes a line for each ring."""

    ledger: Path

    async def ring(self, event_id: str) -> None:
        """Append the event's id."""
        descriptor = os.open(self.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{event_id}\n".encode())
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class RingingDeps:
    """The specimen's dependencies, and one that reaches outside."""

    settings: SpecimenSettings
    db: Database
    bell: Outside[Bell]


def ledger_of(settings: SpecimenSettings) -> Path:
    """The bell's ledger: beside the file of the deliveries."""
    return Path(f"{settings.deliveries}.bell")


async def _ring(event: NoteWritten, context: EffectContext[RingingDeps]) -> None:
    await context.deps.bell.ring(str(context.event_id))
    async with context.deps.db.transaction() as tx:
        await log_effect(tx, RINGER, event, context)


RINGING = Subscriptions("specimen", *SUBSCRIPTIONS, EffectConsumer(RINGER, handlers={NoteWritten: _ring}))


@asynccontextmanager
async def open_deps(settings: SpecimenSettings) -> AsyncIterator[RingingDeps]:
    """Open the database, and hang up the bell."""
    db = Database.open(settings)
    try:
        yield RingingDeps(settings, db, FileBell(ledger_of(settings)))
    finally:
        await db.close()


def main() -> None:
    """Run it, as the environment says."""
    run_worker(SpecimenSettings(), open_deps=open_deps, subscriptions=RINGING)


if __name__ == "__main__":
    main()
