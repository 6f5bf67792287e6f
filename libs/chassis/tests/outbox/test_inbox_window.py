"""The inbox is exact within its window, and says so when an event is from before it."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging import inbox
from threadly_chassis.outbox.partitions import first_id_of
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration


def _id_of(moment: datetime, number: int) -> UUID:
    return UUID(int=first_id_of(moment).int + (7 << 76) + (2 << 62) + number)


async def _letters(specimen: Specimen, consumer: str, count: int) -> list[Any]:
    async def there() -> bool:
        return await specimen.depth(f"{consumer}.dlq") == count

    await eventually(there, describe=f"{count} dead letters of {consumer}")
    return list(await specimen.take(f"{consumer}.dlq"))


async def _effects(specimen: Specimen, consumer: str, count: int) -> bool:
    return len(await specimen.effects(consumer)) == count


async def _is_marked_by(specimen: Specimen, event_id: UUID, consumers: int) -> bool:
    marks = await specimen.query("select consumer from inbox where event_id = :id", id=event_id)
    return len(marks) == consumers


async def _deliver(specimen: Specimen, message: Any, event_id: UUID, **headers: Any) -> None:
    """Send an event to everybody once more, under an id and headers of our choice."""
    message.properties.headers = message.properties.headers | {h.CE_ID: str(event_id)} | headers
    message.properties.message_id = str(event_id)
    await specimen.publish(message)


async def test_a_duplicate_within_the_window_is_refused_even_when_it_is_old(
    specimen: Specimen, house: Any, message_of: Any
) -> None:
    old = _id_of(datetime.now(UTC) - timedelta(days=170), 1)
    async with specimen.working():
        for _ in range(3):
            await _deliver(specimen, await message_of("specimen.every", "a"), old)
            house.keep()
        await specimen.write("b")
        await eventually(lambda: _effects(specimen, "specimen.every", 2), describe="one effect, and b's")
    assert await specimen.depth("specimen.every.dlq") == 0


async def test_an_event_from_behind_the_window_is_a_dead_letter_and_not_applied_again(
    specimen: Specimen, house: Any, message_of: Any
) -> None:
    """Without a version gate nobody knows whether it was applied: an operator decides, not chance."""
    async with specimen.working():
        await specimen.write("a")
        for consumer in ("specimen.every", "specimen.newest", "specimen.outside"):
            await eventually(partial(_effects, specimen, consumer, 1), describe=f"{consumer}'s effect")
        [(applied,)] = await specimen.query("select distinct event_id from effect")
        # An effect outside the database comes before its mark.
        await eventually(lambda: _is_marked_by(specimen, applied, 3), describe="everybody's mark")
        house.later(days=215)
        house.keep()
        assert await specimen.query("select 1 from inbox where event_id = :id", id=applied) == []
        for consumer in ("specimen.every", "specimen.newest", "specimen.outside"):
            await _deliver(specimen, await message_of(consumer, "a"), applied)
        [letter] = await _letters(specimen, "specimen.every", 1)
        [other] = await _letters(specimen, "specimen.outside", 1)
        assert letter.headers["t-dead-reason"] == other.headers["t-dead-reason"] == "dedup-window-expired"
        await specimen.write("after")
        await eventually(lambda: _effects(specimen, "specimen.newest", 2), describe="the gated one goes on")
    assert await specimen.effects("specimen.newest") == [("a", 1), ("after", 1)]
    assert await specimen.depth("specimen.newest.dlq") == 0
    # A new event is from behind the floor, which stands in the future here: two hundred days were moved.
    assert await specimen.effects("specimen.every") == [("a", 1)]


async def test_behind_the_window_the_version_gate_still_takes_what_is_newer(
    specimen: Specimen, house: Any, message_of: Any
) -> None:
    house.later(days=400)
    house.keep()
    await specimen.execute(
        "update inbox_window set floor = :f", f=first_id_of(datetime(2099, 1, 1, tzinfo=UTC))
    )
    async with specimen.working():
        await specimen.write("a")
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, "specimen.newest", 2), describe="both versions")
    assert await specimen.effects("specimen.newest") == [("a", 1), ("a", 2)]


async def test_a_mark_that_meets_the_drop_sees_the_floor_that_has_risen(
    specimen: Specimen, house: Any
) -> None:
    """Whoever waits for the drop's lock takes its snapshot after it: there is no moment in between."""
    old = _id_of(datetime.now(UTC), 1)
    async with specimen.db.transaction() as tx:
        assert await inbox.mark(tx.session, "reader", [old]) == {old}
    [partition] = await specimen.query("select tableoid::regclass::text from inbox")
    async with await psycopg.AsyncConnection.connect(specimen.database_url) as dropper:
        await dropper.execute("lock table only inbox in access exclusive mode")
        marking = asyncio.create_task(_mark(specimen, old))
        await eventually(lambda: _waits(specimen), describe="the mark to wait")
        await dropper.execute("update inbox_window set floor = %s", (_id_of(datetime.now(UTC), 9),))
        await dropper.execute(f"drop table {partition[0]}".encode())
        await dropper.commit()
        with pytest.raises(inbox.WindowExpired):
            await marking


async def _mark(specimen: Specimen, event_id: UUID) -> None:
    async with specimen.db.transaction() as tx:
        await inbox.mark(tx.session, "reader", [event_id])


async def _waits(specimen: Specimen) -> bool:
    return bool(
        await specimen.query(
            "select 1 from pg_stat_activity where query like 'with marked as%' and wait_event_type = 'Lock' "
            "and datname = current_database()"
        )
    )
