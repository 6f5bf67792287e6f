"""Housekeeping of a service's event tables: gauges every few seconds, partitions and retention by the round.

Every worker keeps house; they take turns by an advisory lock.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from ..observability.logging import get_logger
from ..observability.metrics import (
    DEFAULT_PARTITION_ROWS,
    OUTBOX_BLOCKED,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_PARTITIONS_AHEAD,
    OUTBOX_PENDING,
    PARTITIONS_HELD,
)
from .partitions import INBOX, OUTBOX, OUTBOX_SPAN, last_id, make_partitions, open_housekeeper, partitions_of
from .retention import HELD, Fate, Retention, drop_history, drop_keys, drop_marks
from .store import OutboxStore

_GAUGE_SECONDS = 5.0
_ROUND_SECONDS = 600.0
#: Tries in a round, when somebody was holding the tables.
_TRIES = 5
_BUSY_SECONDS = (0.5, 2.0)
#: A default partition is counted up to here; it is empty unless something is wrong.
_COUNT_AT_MOST = 1_000_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found and did."""

    made: bool
    fates: dict[str, Fate] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be tried again soon."""
        return self.made and Fate.BUSY not in self.fates.values()


def keep_once(database_url: str, *, retention: Retention | None = None, span: int = OUTBOX_SPAN) -> Round:
    """Make the partitions that will be needed and drop those that are not; raises `psycopg.OperationalError`.

    Any number of these may run at once; each step is one short transaction.
    """
    retention = retention or Retention()
    with open_housekeeper(database_url) as connection:
        made = make_partitions(connection, span=span, shift=retention.shift)
        fates = drop_history(connection, retention) | drop_marks(connection, retention)
        drop_keys(connection, retention)
        _measure(connection, fates)
    return Round(made, fates)


def _measure(connection: psycopg.Connection, fates: dict[str, Fate]) -> None:
    newest = last_id(connection)
    ahead = sum(partition.low > newest for partition in partitions_of(connection, OUTBOX))
    OUTBOX_PARTITIONS_AHEAD.set(ahead)
    held = Counter(fates.values())
    for fate in HELD:
        PARTITIONS_HELD.labels(fate.value).set(held[fate])
    for parent in (OUTBOX, INBOX):
        row = connection.execute(
            f"select count(*) from (select from {parent.default} limit {_COUNT_AT_MOST}) r".encode()  # noqa: S608 - constants of this package
        ).fetchone()
        DEFAULT_PARTITION_ROWS.labels(parent.table).set(row[0] if row else 0)


class Housekeeper:
    """Keeps house for one database until cancelled; every failure is waited out."""

    def __init__(
        self, database_url: str, *, retention: Retention | None = None, span: int = OUTBOX_SPAN
    ) -> None:
        self._url = database_url
        self._retention = retention or Retention()
        self._span = span

    async def run(self) -> None:
        """Measure every 5 s; partitions and retention at the start and every 10 min."""
        while True:
            try:
                await self._round()
                await self._measure_for(_ROUND_SECONDS)
            except psycopg.Error as error:
                _log.info("housekeeping waits", error=repr(error))
                await asyncio.sleep(_GAUGE_SECONDS)

    async def _round(self) -> None:
        for _ in range(_TRIES):
            done = await asyncio.to_thread(keep_once, self._url, retention=self._retention, span=self._span)
            if done.is_finished:
                return
            await asyncio.sleep(random.uniform(*_BUSY_SECONDS))  # noqa: S311 - spreading load, no secret

    async def _measure_for(self, seconds: float) -> None:
        store = await OutboxStore.open(self._url)
        try:
            for _ in range(int(seconds / _GAUGE_SECONDS)):
                pending, oldest, blocked = await store.gauges()
                await store.commit()
                OUTBOX_PENDING.set(pending)
                OUTBOX_OLDEST_SECONDS.set(oldest)
                OUTBOX_BLOCKED.set(blocked)
                await asyncio.sleep(_GAUGE_SECONDS)
        finally:
            await store.close()
