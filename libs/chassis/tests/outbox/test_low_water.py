"""Low-water marks let a relay look at what is left, and never past what may still come."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from threadly_chassis.outbox import low_water
from threadly_chassis.outbox.store import OutboxStore
from threadly_chassis.testing import eventually
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten, write_note

pytestmark = pytest.mark.integration

#: From an id drawn to the mark raised: two numbers are read, then one look whether all have ended.
STEPS = 3


@pytest.fixture
async def store(specimen: Specimen, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OutboxStore]:
    """A relay's store that steps at each lease and never leaves its marks aside."""
    monkeypatch.setattr(low_water, "_STEP_EVERY", 0.0)
    monkeypatch.setattr(low_water.LowWater, "marks", lambda marks: marks._low)
    store = await OutboxStore.open(specimen.database_url)
    yield store
    await store.close()


async def _emptied(store: OutboxStore) -> None:
    shards = await store.lease(16)
    await store.commit(await store.fetch(shards, 512) if shards else [])


async def _stepped(specimen: Specimen, store: OutboxStore) -> int:
    """Let the store take all its steps, each over something pending in every shard; gives its lowest mark."""
    for _ in range(STEPS):
        await specimen.write(*(f"note-{number}" for number in range(60)))
        await _emptied(store)
    await specimen.write(*(f"note-{number}" for number in range(60)))
    shards = await store.lease(16)
    assert len(shards) == 16
    await store.commit()
    return min(store._low_water._low)


async def test_marks_rise_behind_what_has_left(specimen: Specimen, store: OutboxStore) -> None:
    # A transaction of any other database of the cluster holds them down: one handler that hangs, 25 s.
    await eventually(partial(_stepped, specimen, store), timeout=75, describe="higher marks")
    shards = await store.lease(16)
    assert len(await store.fetch(shards, 512)) == await specimen.pending()
    await store.commit()


async def test_marks_rise_within_a_backlog(specimen: Specimen, store: OutboxStore) -> None:
    await specimen.write(*(f"note-{number}" for number in range(100)))
    await store.commit(await store.fetch(await store.lease(16), 32))

    async def highest() -> int:
        await store.lease(16)
        await store.commit()
        return max(store._low_water._low)

    await eventually(highest, describe="a higher mark")
    left = await specimen.pending()
    assert left > 50
    assert len(await store.fetch(await store.lease(16), 512)) == left
    await store.commit()


async def test_an_id_that_is_drawn_and_not_committed_holds_them_down(
    specimen: Specimen, store: OutboxStore
) -> None:
    """F03: else version 1 would be passed over and version 2 sent before it."""
    async with specimen.db.transaction() as slow:
        await write_note(slow, "slow")
        await write_ahead(slow)
        assert await _stepped(specimen, store) == 0
        await _emptied(store)
    shards = await store.lease(16)
    assert [row.agg_id for row in await store.fetch(shards, 512)] == ["slow"]
    await store.commit()


async def test_what_is_pending_holds_its_shard_down(specimen: Specimen, store: OutboxStore) -> None:
    await specimen.write("first")
    [row] = await store.fetch(await store.lease(16), 512)
    await store.commit()
    await specimen.execute("insert into outbox_blocked values ('note', 'first', 1, 'held')")
    await _stepped(specimen, store)
    assert store._low_water._low[row.shard] < row.id
    await specimen.execute("delete from outbox_blocked")
    assert row.id in {each.id for each in await store.fetch(await store.lease(16), 512)}
    await store.commit()


async def test_once_a_second_marks_are_left_aside(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduled event gets its pointer when it is due, with an id from long ago."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    store = await OutboxStore.open(specimen.database_url)
    due_at = datetime.now(UTC) + timedelta(days=1)
    async with specimen.db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="later", says=""), version=1, due_at=due_at)
    store._low_water._low = [1_000_000] * 16
    await specimen.execute("update outbox_scheduled set due_at = now()")
    assert await store.lease(16) == []
    await store.commit()
    now = 1.0
    shards = await store.lease(16)
    assert [row.agg_id for row in await store.fetch(shards, 512)] == ["later"]
    await store.close()
