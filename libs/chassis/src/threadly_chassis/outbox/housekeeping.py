"""Outbox housekeeping: gauges every few seconds, partitions ahead of need."""

import asyncio

import psycopg

from ..observability.logging import get_logger
from ..observability.metrics import OUTBOX_BLOCKED, OUTBOX_OLDEST_SECONDS, OUTBOX_PENDING
from .partitions import ensure_partitions
from .store import OutboxStore

_GAUGE_SECONDS = 5.0
_PARTITION_EVERY = 720

_log = get_logger(__name__)


async def keep_house(database_url: str) -> None:
    """Measure the outbox, and make partitions at the start and every hour; runs until cancelled."""
    while True:
        try:
            await _keep(database_url)
        except psycopg.Error as error:
            _log.info("housekeeping waits", error=repr(error))
            await asyncio.sleep(_GAUGE_SECONDS)


async def _keep(database_url: str) -> None:
    store = await OutboxStore.open(database_url)
    try:
        while True:
            await ensure_partitions(database_url)
            for _ in range(_PARTITION_EVERY):
                pending, oldest, blocked = await store.gauges()
                await store.commit()
                OUTBOX_PENDING.set(pending)
                OUTBOX_OLDEST_SECONDS.set(oldest)
                OUTBOX_BLOCKED.set(blocked)
                await asyncio.sleep(_GAUGE_SECONDS)
    finally:
        await store.close()
