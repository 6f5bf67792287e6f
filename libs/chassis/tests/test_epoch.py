"""The epoch: raised once when the server begins another history, and in every event from then on (F29)."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from threadly_chassis.db import Database
from threadly_chassis.db.epoch import MARGIN_MINUTES
from threadly_chassis.messaging.outcome import Outcome, outcome_of
from threadly_chassis.testing.specimen.service import write_note

pytestmark = pytest.mark.integration

#: What a promotion leaves behind in the row: it came along from a server with a lower timeline.
PROMOTED = "update outbox_epoch set timeline = timeline - 1"
RESTORED_ELSEWHERE = "update outbox_epoch set system_identifier = system_identifier - 1"


async def _rows(db: Database, statement: str) -> list[Any]:
    async with db.read() as session:
        return list(await session.execute(text(statement)))


async def _execute(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        await tx.session.execute(text(statement))


async def _reconnect(db: Database) -> None:
    """What the end of every connection comes to: the next one is a new one."""
    await db.engine.dispose()


async def _epoch(db: Database) -> int:
    [(epoch,)] = await _rows(db, "select epoch from outbox_epoch")
    return int(epoch)


async def _said(db: Database) -> list[Any]:
    rows = await _rows(db, "select headers -> 't-epoch' from outbox_event order by id")
    return [row[0] for row in rows]


async def test_a_new_database_begins_with_nought_and_no_start_or_reconnect_raises_it(
    db: Database, url: str
) -> None:
    async with db.transaction() as tx:
        await write_note(tx, "a")
    await _reconnect(db)
    second = Database.at(url)
    async with second.transaction() as tx:
        await write_note(tx, "a")
    await second.close()
    assert await _said(db) == [0, 0]
    assert await _epoch(db) == 0


@pytest.mark.parametrize("begun", [PROMOTED, RESTORED_ELSEWHERE])
async def test_another_timeline_or_another_server_raises_it_before_anything_is_appended(
    db: Database, begun: str
) -> None:
    async with db.transaction() as tx:
        await write_note(tx, "a")
    await _execute(db, begun)
    await _reconnect(db)
    async with db.transaction() as tx:
        await write_note(tx, "a")
        await write_note(tx, "b")
    epoch = await _epoch(db)
    assert await _said(db) == [0, epoch, epoch]
    assert 0 <= time.time() / 60 - epoch < 2
    await _reconnect(db)
    assert await _epoch(db) == epoch


async def test_twice_in_a_minute_it_rises_twice(db: Database) -> None:
    epochs = []
    for _ in range(3):
        await _execute(db, PROMOTED)
        await _reconnect(db)
        epochs.append(await _epoch(db))
    assert epochs == [epochs[0], epochs[0] + 1, epochs[0] + 2]


async def test_a_hundred_connections_at_once_raise_it_once(url: str) -> None:
    first = Database.at(url)
    await _execute(first, PROMOTED)
    await first.close()
    db = Database.at(url, pool_size=50)
    met = asyncio.Barrier(100)

    async def connect() -> int:
        async with db.transaction() as tx:
            await met.wait()
            return int(await tx.session.scalar(text("select epoch from outbox_epoch")) or 0)

    async with asyncio.TaskGroup() as tasks:
        known = [tasks.create_task(connect()) for _ in range(100)]
    epoch = await _epoch(db)
    await db.close()
    assert {task.result() for task in known} == {epoch}
    assert 0 <= time.time() / 60 - epoch < 2


async def test_what_may_be_gone_begins_before_the_newest_event_of_the_log(db: Database) -> None:
    """With two promotions before anybody was told of the first, at the older of the two."""
    async with db.transaction() as tx:
        await write_note(tx, "a")
    [(newest,)] = await _rows(db, "select created_at from outbox_event")
    for _ in range(2):
        await _execute(db, PROMOTED)
        await _reconnect(db)
        async with db.transaction() as tx:
            await write_note(tx, "a")
        [(since, announced)] = await _rows(db, "select since, announced_at from outbox_epoch")
        assert since == newest - timedelta(minutes=MARGIN_MINUTES)
        assert announced is None
    assert isinstance(since, datetime)


async def test_a_server_that_may_not_write_is_an_outage(db: Database, url: str) -> None:
    """A standby: a connection from before its promotion would go on without having looked."""
    name = url.rpartition("/")[2]
    await _execute(db, f"alter database {name} set default_transaction_read_only = on")
    await _reconnect(db)
    with pytest.raises(DBAPIError) as caught:
        await _epoch(db)
    assert outcome_of(caught.value) is Outcome.OUTAGE


async def test_a_database_that_is_not_migrated_yet_can_be_read(db: Database) -> None:
    await _execute(db, "drop table outbox_epoch")
    await _reconnect(db)
    assert await _rows(db, "select 1") == [(1,)]
