"""Two releases of one service side by side."""

import pytest

from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.harness import SPECIMEN
from threadly_chassis.testing.specimen.load import patiently
from threadly_chassis.testing.specimen.newer import write_newer_note
from threadly_chassis.testing.specimen.service import write_note

pytestmark = pytest.mark.integration

NEWER = f"{SPECIMEN}.newer"


async def _write(cluster: Cluster, note: str, *, major: int | None) -> None:
    async with cluster.specimen.db.transaction() as tx:
        if major is None:
            await write_note(tx, note)
        else:
            await write_newer_note(tx, note, major=major)


async def test_f45_readers_first_then_writers_and_nothing_is_dead_lettered(cluster: Cluster) -> None:
    """F45: a new optional field is read by both releases; the new major is sent when all can read it."""
    [old] = cluster.start(1)
    cluster.start(1, module=NEWER)
    await cluster.consuming()
    for number in range(40):
        await _write(cluster, f"note-{number % 8}", major=1 if number % 2 else None)
    await cluster.at_rest()
    old.terminate()
    await patiently(lambda: old.poll() is not None, describe="the old release's end")
    cluster.start(1, module=NEWER)
    await cluster.consuming()
    for number in range(40):
        await _write(cluster, f"note-{number % 8}", major=1 + number % 2)
    history = await cluster.verify()
    assert len(history.appended) == 80
    for consumer in history.consumers:
        assert await cluster.specimen.depth(f"{consumer}.dlq") == 0
