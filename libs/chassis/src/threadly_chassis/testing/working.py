"""A service's worker in the test's own process, on a real broker."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from ..messaging import Subscriptions
from ..messaging.handling import HasDatabase
from ..schedules import Schedules
from ..settings import ServiceSettings
from ..worker import Worker
from .probes import eventually


@asynccontextmanager
async def working(
    settings: ServiceSettings,
    deps: HasDatabase,
    subscriptions: Subscriptions,
    schedules: Schedules | None = None,
) -> AsyncIterator[Worker]:
    """Run a service's worker, from when all its consumers consume; a task that died fails the test."""
    deaths: list[BaseException] = []
    async with Worker(settings, deps, subscriptions, schedules or Schedules(), deaths.append) as worker:
        await eventually(lambda: _all_consume(worker.consumers), describe="all consumers to consume")
        yield worker
    if deaths:
        raise AssertionError("a worker's task died") from deaths[0]


def _all_consume(runners: Iterable[Any]) -> bool:
    return all(runner.is_consuming for runner in runners)
