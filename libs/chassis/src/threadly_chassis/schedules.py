"""What a service does by the clock: one runner at a time across all processes of the service.

The right to run is a row with a lease, not a session's advisory lock: it also holds behind a pooler that
hands each transaction another connection. A runner that outlives its lease may meet a second one, so a
scheduled function is written to be repeated.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from .context import ActionContext, begin_action
from .db import Database
from .ids import new_id
from .observability.errors import capture
from .observability.logging import get_logger
from .observability.metrics import SCHEDULE_RUNS
from .observability.tracing import span
from .tasks import end_tasks, only_own_cancellation, wait_until

#: Seconds after which a dead runner's schedule is taken over; a living one renews three times in that time.
LEASE_SECONDS = 30.0
_RETRY_SECONDS = 1.0

_log = get_logger(__name__)

_ENLIST = text("insert into schedule_lease (name) values (:name) on conflict do nothing returning name")
_CLAIM = text(
    "update schedule_lease set holder = :holder, leased_until = now() + :lease * interval '1 second', "
    "last_started_at = now(), next_run_at = now() + :period * interval '1 second' "
    "where name = :name and next_run_at <= now() and leased_until <= now() returning name"
)
_UNTIL_NEXT = text(
    "select extract(epoch from greatest(next_run_at, leased_until) - now()) from schedule_lease "
    "where name = :name"
)
_RENEW = text(
    "update schedule_lease set leased_until = now() + :lease * interval '1 second' "
    "where name = :name and holder = :holder returning name"
)
_RELEASE = text(
    "update schedule_lease set leased_until = '-infinity', last_finished_at = now(), last_error = :error "
    "where name = :name and holder = :holder returning name"
)


@dataclass(frozen=True, slots=True)
class Every:
    """Run `function(deps)` once a period, counted from the start of the run before."""

    period: timedelta
    name: str
    function: Callable[[Any], Awaitable[None]]


class Schedules:
    """The table of what a service does by the clock; raises `ValueError` for a name given twice."""

    def __init__(self, *entries: Every) -> None:
        names = [entry.name for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError(f"schedules named twice: {sorted(n for n in names if names.count(n) > 1)}")
        self.entries = entries

    def __iter__(self) -> Iterator[Every]:
        return iter(self.entries)


class ScheduleRunner:
    """Runs one entry whenever it is due and nobody else runs it."""

    def __init__(
        self, entry: Every, db: Database, deps: Any, *, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._entry = entry
        self._db = db
        self._deps = deps
        self._lease = lease_seconds
        self._ending = asyncio.Event()
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def drain(self) -> None:
        """Begin no further run; `run` returns when the one under way has ended."""
        self._ending.set()

    async def run(self) -> None:
        """Run the schedule until `drain`; no error of the function or the database ends it."""
        enlisted = False
        while not self._ending.is_set():
            try:
                if not enlisted:
                    await self.enlist()
                    enlisted = True
                with only_own_cancellation():
                    ran = await self.run_if_due()
                if not ran:
                    await wait_until(self._ending, await self._seconds_until_next())
            except Exception as error:  # noqa: BLE001 - a schedule outlives whatever happens to one run
                _log.warning("schedule cannot run", schedule=self._entry.name, error=repr(error))
                await wait_until(self._ending, _RETRY_SECONDS)

    async def enlist(self) -> None:
        """Make the schedule known to the database; it is due at once the first time."""
        await self._execute(_ENLIST)

    async def run_if_due(self) -> bool:
        """Run the function if it is due and free; returns whether it was run."""
        claimed = await self._execute(_CLAIM, lease=self._lease, period=self._entry.period.total_seconds())
        if not claimed:
            return False
        renewing = asyncio.create_task(self._keep_lease())
        error: str | None = None
        try:
            error = await self._call()
        finally:
            await end_tasks(renewing)
            await self._execute(_RELEASE, error=error)
        return True

    async def _call(self) -> str | None:
        begin_action(ActionContext(operation=f"schedule:{self._entry.name}", correlation_id=str(new_id())))
        try:
            with span(f"schedule {self._entry.name}"):
                await self._entry.function(self._deps)
        except Exception as error:  # noqa: BLE001 - captured; the next run comes in a period
            capture(error, kind="schedule", schedule=self._entry.name)
            SCHEDULE_RUNS.labels(self._entry.name, "failed").inc()
            return repr(error)
        SCHEDULE_RUNS.labels(self._entry.name, "done").inc()
        return None

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with contextlib.suppress(Exception):
                await self._execute(_RENEW, lease=self._lease)

    async def _seconds_until_next(self) -> float:
        async with self._db.read() as session:
            seconds = (await session.execute(_UNTIL_NEXT, {"name": self._entry.name})).scalar_one()
        return min(max(float(seconds), 0.02), self._entry.period.total_seconds(), 60.0)

    async def _execute(self, statement: Any, **values: Any) -> bool:
        """Run one statement in its own transaction; returns whether it gave a row."""
        async with self._db.transaction() as tx:
            given = {"name": self._entry.name, "holder": self._holder, **values}
            rows = await tx.session.execute(statement, given)
            return rows.first() is not None
