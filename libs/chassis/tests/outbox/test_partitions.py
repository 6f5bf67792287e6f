"""Partitions ahead of need: an append never fails for want of one."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.observability.metrics import DEFAULT_PARTITION_ROWS, OUTBOX_PARTITIONS_AHEAD
from threadly_chassis.outbox.housekeeping import Housekeeper
from threadly_chassis.outbox.partitions import (
    INBOX,
    OUTBOX,
    OUTBOX_AHEAD,
    Partition,
    _attach,
    begin_work,
    first_id_of,
    inbox_wanted,
    moment_of,
    open_housekeeper,
    outbox_wanted,
    partitions_of,
)
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.database import waits_for_a_lock
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import write_note

#: As in conftest.py.
SPAN = 10
NOW = datetime(2030, 11, 15, tzinfo=UTC)


def _bounds(partitions: list[Partition]) -> list[tuple[Any, Any]]:
    return [(partition.low, partition.high) for partition in partitions]


def test_the_log_is_planned_behind_what_exists() -> None:
    first = Partition("p0", 0, 100)
    assert _bounds(outbox_wanted([], 0, 100))[0] == (1, 101)
    assert _bounds(outbox_wanted([first], 5, 100)) == [(100, 200), (200, 300), (300, 400)]
    planned = [first, *outbox_wanted([first], 5, 100)]
    assert outbox_wanted(planned, 99, 100) == []
    assert _bounds(outbox_wanted(planned, 100, 100)) == [(400, 500)]


def test_another_span_leaves_no_gap_and_no_overlap() -> None:
    first = Partition("p0", 0, 5_000_000)
    assert _bounds(outbox_wanted([first], 4_999_999, 7))[0] == (5_000_000, 5_000_007)


def test_what_nobody_made_in_time_stays_in_the_default_partition() -> None:
    planned = outbox_wanted([Partition("p0", 0, 100)], 250, 100)
    assert planned[0].low == 251
    assert len(planned) == OUTBOX_AHEAD


def test_the_inbox_is_planned_by_the_month_over_the_turn_of_the_year() -> None:
    planned = inbox_wanted([], NOW)
    assert [partition.name for partition in planned] == [
        "inbox_2030_10",
        "inbox_2030_11",
        "inbox_2030_12",
        "inbox_2031_01",
        "inbox_2031_02",
    ]
    assert all(one.high == next_.low for one, next_ in pairwise(planned))
    assert moment_of(planned[0].low) == datetime(2030, 10, 1, tzinfo=UTC)
    assert [p.name for p in inbox_wanted(planned, NOW + timedelta(days=31))] == ["inbox_2031_03"]


@pytest.mark.integration
async def test_a_migrated_database_needs_no_worker_to_have_its_partitions(specimen: Specimen) -> None:
    with open_housekeeper(specimen.database_url) as connection:
        outbox, inbox = partitions_of(connection, OUTBOX), partitions_of(connection, INBOX)
    assert (len(outbox), outbox[0].low) == (1 + OUTBOX_AHEAD, 0)
    fresh = new_id()
    assert any(partition.low <= fresh < partition.high for partition in inbox)


@pytest.mark.integration
async def test_partitions_are_like_the_first_one(specimen: Specimen, house: Any) -> None:
    """Attached ones have the primary key and the index of the table that they become part of."""
    rows = await specimen.query(
        "select c.relname, count(*) from pg_index x join pg_class c on c.oid = x.indrelid "
        "join pg_inherits i on i.inhrelid = c.oid where i.inhparent = 'outbox_event'::regclass "
        "group by 1 order by 1"
    )
    assert len(rows) == len(house.partitions()) + 1
    assert {count for _, count in rows} == {2}


@pytest.mark.integration
async def test_events_fill_one_partition_after_the_other_and_more_are_made(house: Any) -> None:
    before = len(house.partitions())
    await house.specimen.write(*(f"note-{number}" for number in range(3 * SPAN)))
    assert house.keep().is_finished
    assert len(house.partitions()) == before + 3
    counts = await house.specimen.query(
        "select tableoid::regclass::text, count(*) from outbox_event group by 1 order by min(id)"
    )
    assert counts == [(name, SPAN) for name in house.names()[:3]]
    assert OUTBOX_PARTITIONS_AHEAD._value.get() >= OUTBOX_AHEAD


@pytest.mark.integration
async def test_without_any_partition_every_append_and_every_mark_still_succeeds(
    specimen: Specimen, house: Any
) -> None:
    """A housekeeper that is late costs nobody an event: the default partitions take what comes."""
    house.cut_down()
    await specimen.write(*(f"note-{number}" for number in range(25)))
    async with specimen.working():
        await eventually(lambda: _effects(specimen, 25), describe="all effects")
        assert await specimen.pending() == 0


async def _effects(specimen: Specimen, count: int) -> bool:
    return len(await specimen.effects()) == count


@pytest.mark.integration
async def test_what_the_default_partition_took_is_moved_where_it_belongs(
    specimen: Specimen, house: Any
) -> None:
    house.cut_down()
    await _mark(specimen, "reader", ids := [new_id() for _ in range(50)])
    house.keep()
    assert await specimen.query("select count(*) from inbox_default") == [(0,)]
    assert {row[0] for row in await specimen.query("select event_id from inbox")} == set(ids)
    await _mark(specimen, "reader", [new_id()])
    assert DEFAULT_PARTITION_ROWS.labels("inbox")._value.get() == 0


async def _mark(specimen: Specimen, consumer: str, ids: list[UUID]) -> None:
    await specimen.execute(
        "insert into inbox (consumer, event_id) select :c, unnest(cast(:ids as uuid[])) "
        "on conflict do nothing",
        c=consumer,
        ids=ids,
    )


@pytest.mark.integration
async def test_an_id_from_a_wrong_clock_is_kept_and_known_again(specimen: Specimen, house: Any) -> None:
    wrong = [first_id_of(datetime(1999, 1, 1, tzinfo=UTC)), first_id_of(datetime(2099, 1, 1, tzinfo=UTC))]
    await _mark(specimen, "reader", wrong)
    await _mark(specimen, "reader", wrong)
    house.keep()
    assert DEFAULT_PARTITION_ROWS.labels("inbox")._value.get() == 2


@pytest.mark.integration
async def test_many_housekeepers_at_once_make_each_partition_once(specimen: Specimen, house: Any) -> None:
    house.cut_down()
    rounds = await asyncio.gather(*(asyncio.to_thread(house.keep) for _ in range(6)))
    assert all(done.made for done in rounds)
    made = house.partitions()
    assert len(made) == OUTBOX_AHEAD
    assert all(one.high == other.low for one, other in pairwise(made))


@pytest.mark.integration
async def test_appends_go_on_while_partitions_are_made(specimen: Specimen, house: Any) -> None:
    """Attaching takes no lock that an append needs; an open transaction holds up neither."""
    house.cut_down()
    house.span = 100_000
    house.keep()
    async with specimen.db.transaction() as slow:
        await write_note(slow, "slow")
        house.span = 200_000
        assert (await asyncio.to_thread(house.keep)).made
        await asyncio.wait_for(specimen.write("quick"), 5)
    assert house.partitions()[-1].high == 700_001
    assert len(await house.history()) == 2


@pytest.mark.integration
async def test_who_reads_while_rows_are_moved_misses_none(specimen: Specimen, house: Any) -> None:
    """2026-11-23: a reader that had planned before the move and read after it saw neither place.

    A relay then sent version 22 after 24: what it does not see it cannot wait for.
    """
    house.cut_down()
    await specimen.write(*"abcde")
    with open_housekeeper(specimen.database_url) as connection, connection.transaction():
        begin_work(connection)
        _attach(connection, OUTBOX, Partition("outbox_event_1", 1, 11, is_in_use=True))
        reading = asyncio.create_task(house.history())
        await eventually(lambda: waits_for_a_lock(specimen.db), describe="the reader to wait")
    assert await reading == [1, 2, 3, 4, 5]


@pytest.mark.integration
async def test_a_table_that_somebody_holds_is_left_to_the_next_round(specimen: Specimen, house: Any) -> None:
    """Bounded lock time: nobody waits behind a housekeeper that waits."""
    house.later(days=95)
    async with await psycopg.AsyncConnection.connect(specimen.database_url) as holder:
        await holder.execute("lock table inbox_default in access share mode")
        began = asyncio.get_running_loop().time()
        done = await asyncio.to_thread(house.keep)
        assert not done.made
        assert asyncio.get_running_loop().time() - began < 5
    assert house.keep().made


@pytest.mark.integration
async def test_a_worker_keeps_house_by_itself(specimen: Specimen, house: Any) -> None:
    house.cut_down()
    keeping = asyncio.create_task(Housekeeper(specimen.database_url, span=7).run())
    await eventually(lambda: len(house.partitions()) == OUTBOX_AHEAD, describe="the partitions")
    await end_tasks(keeping)
