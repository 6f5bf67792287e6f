"""A worker whose dependencies never close, with a second for its end instead of a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ... import worker
from .service import SUBSCRIPTIONS, SpecimenDeps, SpecimenSettings, open_deps


@asynccontextmanager
async def _never_closes(settings: SpecimenSettings) -> AsyncIterator[SpecimenDeps]:
    async with open_deps(settings) as deps:
        yield deps
        await asyncio.Event().wait()


def main() -> None:
    """Run it, as the environment says."""
    worker.END_SECONDS = 1.0
    worker.run_worker(SpecimenSettings(), open_deps=_never_closes, subscriptions=SUBSCRIPTIONS)
