"""What holds the data: a volume that is full, partitions that are dropped under work (eventing §5)."""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from threadly_chassis.outbox.housekeeping import keep_once
from threadly_chassis.outbox.partitions import INBOX, OUTBOX, open_housekeeper, partitions_of
from threadly_chassis.outbox.retention import Fate, Retention
from threadly_chassis.testing.postgres import clone, drop, ensure_template
from threadly_chassis.testing.rabbit import RabbitManagement
from threadly_chassis.testing.specimen.cluster import Cluster, open_specimen
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_embedded.breakable import BreakablePostgres
from threadly_embedded.errors import LauncherError
from threadly_embedded.volume import SmallVolume, small_volume

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


@pytest.fixture
def volume() -> Iterator[SmallVolume]:
    with ExitStack() as stack:
        try:
            volume = stack.enter_context(small_volume(64))
        except LauncherError as error:
            pytest.skip(f"{error}; only root outside a container may mount one")
        yield volume


@pytest.fixture
async def cramped_cluster(
    postgres: BreakablePostgres, volume: SmallVolume, vhost: str, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """A cluster whose tables lie on a small volume; the server's own log lies elsewhere and has room."""
    server = postgres.server.admin_url
    url = clone(server, ensure_template(server, SPECIMEN))
    name = url.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create tablespace {name} location '{volume.folder}'")
        connection.execute(f"alter database {name} set tablespace {name}")
    management = RabbitManagement(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    async with open_specimen(url, vhost, LADDER) as specimen:
        yield Cluster(specimen, tmp_path, management)
    drop(server, url)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop tablespace {name}")


async def test_f31_the_volume_is_full_for_a_while(
    cramped_cluster: Cluster, volume: SmallVolume, load: MakeLoad
) -> None:
    """F31: appends are refused whole, relays and consumers wait; with room again I1 to I5."""
    cluster, writing = cramped_cluster, load(cramped_cluster)
    writing.pause = 0.01
    async with cluster.working(), writing.running(writers=4):
        for _ in range(writing.length):
            await writing.goes_on(50)
            writing.errors.clear()
            volume.fill()
            await patiently(lambda: len(writing.errors) >= 20, describe="appends to be refused")
            volume.free()
        await writing.goes_on(50)
    assert any("DiskFull" in error for error in writing.errors)
    async with cluster.working():
        history = await cluster.verify()
    assert len(history.appended) == writing.committed


SPAN = 10
#: A rebuild that has not got anywhere yet and needs everything up to now.
_PIN = """
insert into rebuild_source (rebuild_id, consumer, event_types, rate, state, last_id, next_at)
select gen_random_uuid(), 'reader', '{}', 1, 'streaming', max(id), now() + interval '1 day' from outbox_event
"""


async def test_f47_partitions_are_dropped_under_relays_and_a_rebuild(
    cluster: Cluster, load: MakeLoad
) -> None:
    """F47: what is pending or pinned stays, whatever its age; all else goes, and each event arrives once."""
    specimen, writing = cluster.specimen, load(cluster)
    writing.pause = 0.02
    await asyncio.to_thread(_cut_down, specimen.database_url)
    await specimen.execute("insert into outbox_blocked values ('note', 'held', 1, 'until the end')")
    await specimen.write("held", "held", "held", *["early"] * 30)
    pinned = await specimen.query("select id from outbox_event order by id")
    await specimen.execute(_PIN)
    stop = asyncio.Event()
    async with cluster.working(outbox_partition_events=SPAN):
        keepers = [asyncio.create_task(_keep_house(specimen.database_url, stop)) for _ in range(2)]
        async with writing.running(writers=4):
            await writing.goes_on(150)
        await patiently(lambda: _pending(cluster, 3), describe="all but the held to leave")
        stop.set()
        dropped = sum(await asyncio.gather(*keepers))
        kept = await specimen.query("select id from outbox_event order by id")
        await specimen.execute("delete from outbox_blocked")
        await patiently(lambda: _applied_in_full(cluster), describe="every event's effect, once")
    assert set(pinned) <= set(kept)
    assert dropped >= 5


def _cut_down(database_url: str) -> None:
    """Small partitions instead of those that the migration has made."""
    with open_housekeeper(database_url) as connection:
        for parent in (OUTBOX, INBOX):
            for partition in partitions_of(connection, parent):
                connection.execute(f"drop table {partition.name}".encode())
    keep_once(database_url, span=SPAN)


async def _keep_house(database_url: str, stop: asyncio.Event) -> int:
    """Housekeeping for which all history is old, as often as it goes; returns what it dropped."""
    fates: Counter[Fate] = Counter()
    nothing_is_young = Retention(history=timedelta())
    while not stop.is_set():
        done = await asyncio.to_thread(keep_once, database_url, retention=nothing_is_young, span=SPAN)
        fates.update(done.fates.values())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), random.uniform(0, 0.05))  # noqa: S311 - to meet in every way
    return fates[Fate.DROPPED]


async def _pending(cluster: Cluster, count: int) -> bool:
    return await cluster.specimen.pending() == count


async def _applied_in_full(cluster: Cluster) -> bool:
    written = dict(await cluster.specimen.query("select note_id, version from note"))
    applied = defaultdict(list)
    for note, version in await cluster.specimen.effects():
        applied[note].append(version)
    assert {note: sorted(versions) for note, versions in applied.items()} == {
        note: list(range(1, version + 1)) for note, version in written.items()
    }
    return True
