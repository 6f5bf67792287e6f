"""Old history is dropped while a reader is rebuilt from it: what is still to be streamed stays (F47)."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from threadly_chassis.outbox.housekeeping import Round, keep_once
from threadly_chassis.outbox.partitions import OUTBOX, open_housekeeper, partitions_of
from threadly_chassis.outbox.retention import Fate, Retention
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.service import AUTHOR_SNAPSHOTS

pytestmark = pytest.mark.integration

STORIES = tuple(f"story-{number}" for number in range(25))
#: Everything is long past it.
GONE = Retention(shift=timedelta(days=120))


def _author(library: Library) -> str:
    return library.author.settings.database_url.get_secret_value()


def _cut_down(url: str) -> None:
    """Partitions of ten ids for the first thirty."""
    with open_housekeeper(url) as connection:
        for partition in partitions_of(connection, OUTBOX):
            connection.execute(f"drop table {partition.name}".encode())
    keep_once(url, span=10)


async def _keep(library: Library) -> Round:
    return await asyncio.to_thread(keep_once, _author(library), retention=GONE)


async def _streams(library: Library) -> Any:
    return await library.author.query(
        "select 1 from rebuild_source where state = 'streaming' and position > 0"
    )


async def test_dropping_takes_nothing_from_a_rebuild_under_way(library: Library) -> None:
    """The reader's verdict is "equal"; once it is streamed the partitions go, and restating takes over."""
    _cut_down(_author(library))
    async with library.working(AUTHOR_SNAPSHOTS):
        await library.tell(*STORIES)
        await library.tell(*STORIES)
        await eventually(library.in_step, describe="the reader in step")
        await eventually(partial(_nothing_pending, library), describe="an empty outbox")
        await library.reader.execute("delete from copy")
        rebuild = await library.request(rate=20)
        await eventually(lambda: _streams(library), describe="the stream")
        fates = (await _keep(library)).fates
        assert Fate.REBUILD in fates.values()
        while not await library.author.query("select 1 from rebuild_source where state = 'streamed'"):
            await _keep(library)
        verdict = await library.verdict(rebuild)
        assert verdict.is_equal, verdict.shares
        await eventually(library.in_step, describe="the copies again")
        await eventually(partial(_small_ones_are_gone, library), describe="the old partitions to go")
        again = await library.verdict(await library.request())
        assert again.is_equal, again.shares


async def _nothing_pending(library: Library) -> bool:
    return await library.author.query("select count(*) from outbox_pending") == [(0,)]


async def _small_ones_are_gone(library: Library) -> bool:
    await _keep(library)
    return await library.author.query("select count(*) from outbox_event where id <= 30") == [(0,)]
