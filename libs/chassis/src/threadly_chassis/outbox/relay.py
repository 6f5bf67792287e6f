"""The relay: moves committed events from the outbox to the broker, in order per aggregate, at least once.

Any number of relays may run. A shard belongs to whoever holds its row lock; what was sent and not confirmed
stays pending and is sent again.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from aiormq.exceptions import (
    ChannelPreconditionFailed,
    ConnectionFrameError,
    ConnectionSyntaxError,
    ConnectionUnexpectedFrame,
)

from ..messaging.connection import BROKER_ERRORS
from ..messaging.fault_points import RELAY_AFTER_CONFIRMS, RELAY_BEFORE_PUBLISH, fault_point
from ..messaging.publisher import Confirmation, Publisher, Unencodable
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import OUTBOX_PUBLISHED, RELAY_CONFIRM_SECONDS
from ..tasks import end_tasks, only_own_cancellation, wait_until
from .append import SHARDS
from .message import to_message
from .notifier import CHANNEL
from .store import OutboxRow, OutboxStore

#: A batch: one socket write, one round of confirms, one settling transaction.
BATCH_MESSAGES = 512
BATCH_BYTES = 1024 * 1024
#: Messages by which a batch may grow again, each time that one is confirmed in time.
_GROWTH = 8
_POLL = (0.02, 0.5)
#: The longest is what a recovery may take after the broker is back, connecting included: 5 s.
_RECONNECT = (0.1, 2.0)
#: Seconds that a shard rests after the broker refused one of its events.
_REST = (0.5, 2.0)
#: How a broker refuses a message itself (406, 501, 502, 505): it hangs up.
_POISON = (ChannelPreconditionFailed, ConnectionFrameError, ConnectionSyntaxError, ConnectionUnexpectedFrame)

_log = get_logger(__name__)


class _Sent(NamedTuple):
    row: OutboxRow
    confirmation: Confirmation


def confirmed_prefixes(sent: Sequence[_Sent]) -> list[OutboxRow]:
    """The rows that may be settled: per aggregate, those before its first unconfirmed one.

    A confirmed event behind an unconfirmed one stays pending: it will be a duplicate, not a reordering.
    """
    stuck: set[tuple[str, str]] = set()
    settled = []
    for item in sent:
        if item.confirmation is not Confirmation.CONFIRMED:
            stuck.add(item.row.aggregate)
        elif item.row.aggregate not in stuck:
            settled.append(item.row)
    return settled


class Relay:
    """One relay task: its own database connection, its own confirming channel.

    `publisher` must not be shared with another relay task.
    """

    def __init__(self, database_url: str, publisher: Publisher, *, shards_at_once: int = SHARDS) -> None:
        self._url = database_url
        self._publisher = publisher
        self._shards_at_once = shards_at_once
        self._woken = asyncio.Event()
        self._limit = self._ceiling = BATCH_MESSAGES
        self._is_behind = False
        self.is_connected = False

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled; every failure is waited out."""
        shortest, longest = _RECONNECT
        wait = shortest
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                began = time.monotonic()
                try:
                    with only_own_cancellation():
                        await self._work()
                except (psycopg.Error, *BROKER_ERRORS) as error:
                    _log.warning("relay rebuilt", error=repr(error), seconds=wait)
                except Exception as error:  # noqa: BLE001 - the boundary: the relay must outlive any surprise
                    capture(error, kind="relay")
                await asyncio.sleep(wait)
                lived_well = time.monotonic() - began > 2 * longest
                wait = shortest if lived_well else min(wait * 2, longest)
        finally:
            await end_tasks(listener)

    async def _work(self) -> None:
        store = await OutboxStore.open(self._url)
        try:
            self.is_connected = True
            pause = _POLL[0]
            while True:
                moved = await self.relay_once(store)
                pause = _POLL[0] if moved else min(pause * 2, _POLL[1])
                # A look that found less than it might have taken has found all; what came since has woken us.
                # Looking again at once made two of three leases of a quiet relay find nothing.
                if not (moved and self._is_behind):
                    await self._rest(pause)
        finally:
            self.is_connected = False
            # The channel first: once the row locks are gone another relay may publish the same events.
            try:
                await self._publisher.discard()
            finally:
                await store.close()

    async def _rest(self, seconds: float) -> None:
        await wait_until(self._woken, seconds)
        self._woken.clear()

    async def relay_once(self, store: OutboxStore) -> int:
        """Move one batch; returns how many events were settled; raises with none settled.

        The broker is asked for first: a relay cut off from it would lease shards and starve them.
        """
        await self._publisher.ready()
        shards = await store.lease(self._shards_at_once)
        rows = await store.fetch(shards, self._limit) if shards else []
        was_full = len(shards) == self._shards_at_once or len(rows) == self._limit
        batch = self._within_bytes(rows)
        self._is_behind = was_full or len(batch) < len(rows)
        settled = await self._publish(store, batch) if batch else []
        await store.commit(settled)
        OUTBOX_PUBLISHED.inc(len(settled))
        return len(settled)

    def _within_bytes(self, rows: list[OutboxRow]) -> list[OutboxRow]:
        """Keep a batch near 1 MiB; the next fetch asks for as many as would have fitted."""
        total = 0
        for count, row in enumerate(rows, 1):
            total += len(row.payload)
            if total > BATCH_BYTES:
                self._limit = max(count - 1, 1)
                return rows[: self._limit]
        self._limit = min(self._limit * 2, self._ceiling)
        return rows

    def _learn(self, sent: Sequence[_Sent]) -> None:
        """Halve what is sent at once when confirms came too late; else a slow line confirms nothing, ever."""
        if any(item.confirmation is Confirmation.UNKNOWN for item in sent):
            self._ceiling = max(len(sent) // 2, 1)
            self._limit = min(self._limit, self._ceiling)
        else:
            self._ceiling = min(self._ceiling + _GROWTH, BATCH_MESSAGES)

    async def _publish(self, store: OutboxStore, batch: Sequence[OutboxRow]) -> list[OutboxRow]:
        fault_point(RELAY_BEFORE_PUBLISH)
        with RELAY_CONFIRM_SECONDS.time():
            sent = await self._send(store, list(batch))
        fault_point(RELAY_AFTER_CONFIRMS)
        self._learn(sent)
        await self._rest_refused(store, sent)
        return confirmed_prefixes(sent)

    async def _send(self, store: OutboxStore, rows: list[OutboxRow]) -> list[_Sent]:
        """Send the rows; those that cannot be expressed are left out and their aggregates blocked."""
        messages = [to_message(row) for row in rows]
        while rows:
            try:
                outcomes = await self._publisher.publish(messages)
            except Unencodable as error:
                culprit = rows[error.index]
                await self._block(store, culprit, error)
                rows = [row for row in rows if row.aggregate != culprit.aggregate]
                messages = [to_message(row) for row in rows]
            except _POISON as error:
                _log.error("the broker refused a batch", error=repr(error), size=len(rows))
                return await self._send_each(store, rows)
            else:
                return [_Sent(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
        return []

    async def _send_each(self, store: OutboxStore, rows: Sequence[OutboxRow]) -> list[_Sent]:
        """The broker hung up over one of them: send one by one and block the culprit's aggregate."""
        sent = []
        for row in rows:
            try:
                [outcome] = await self._publisher.publish([to_message(row)])
            except _POISON as error:
                await self._block(store, row, error)
                outcome = Confirmation.REFUSED
            sent.append(_Sent(row, outcome))
        return sent

    @staticmethod
    async def _block(store: OutboxStore, row: OutboxRow, error: Exception) -> None:
        capture(error, kind="relay", aggregate=f"{row.agg_type} {row.agg_id}", event_id=row.event_id)
        await store.block(row, repr(error)[:500])

    @staticmethod
    async def _rest_refused(store: OutboxStore, sent: Sequence[_Sent]) -> None:
        refused = [item for item in sent if item.confirmation is not Confirmation.CONFIRMED]
        if refused:
            kinds = sorted({item.confirmation.name for item in refused})
            _log.error("events not taken by the broker", count=len(refused), kinds=kinds)
            seconds = random.uniform(*_REST)  # noqa: S311 - spreading load, no secret
            await store.back_off({item.row.shard for item in refused}, seconds)

    async def _listen(self) -> None:
        """Wake on notifications; without them the poll still comes."""
        while True:
            with contextlib.suppress(psycopg.Error):
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=5, application_name="threadly relay listener"
                )
                async with connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for _ in connection.notifies():
                        self.wake()
            await asyncio.sleep(1)
