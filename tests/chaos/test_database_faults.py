"""The producer's and consumer's database: killed, slow to let go, or left by a writer in mid-sentence."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from statistics import median, quantiles

import psycopg
import pytest

from threadly_chassis.db import Database
from threadly_chassis.outbox import low_water
from threadly_chassis.outbox.store import OutboxStore
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.harness import SPECIMEN
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_chassis.testing.specimen.service import write_note
from threadly_embedded.breakable import BreakablePostgres

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


async def test_f29_the_database_killed_and_started_again_under_load(
    own_database_cluster: Cluster, postgres: BreakablePostgres, load: MakeLoad
) -> None:
    """F29, R-SYS-10: an immediate shutdown aborts relays, consumers and writers in mid-transaction."""
    cluster, writing = own_database_cluster, load(own_database_cluster)
    async with cluster.working(), writing.running():
        for _ in range(writing.length):
            await writing.goes_on(20)
            writing.errors.clear()
            await postgres.kill()
            await patiently(lambda: writing.errors, describe="a writer to notice")
            await postgres.start()
        await writing.goes_on(20)
    async with cluster.working():
        await cluster.verify()


async def test_f02_a_long_writing_transaction_holds_up_nobody_else(
    cluster: Cluster, load: MakeLoad, service_database: Callable[[str], str]
) -> None:
    """F02: in the same database and in another one; a relay that goes by xid order would wait for it."""
    writing, elsewhere = load(cluster), Database.at(service_database(SPECIMEN))
    async with cluster.working(), writing.running():
        await writing.goes_on(60)
        before = dict(await cluster.seconds_to_apply())
        async with cluster.specimen.db.transaction() as here, elsewhere.transaction() as there:
            await write_note(here, "slow")
            await write_note(there, "slow")
            await write_ahead(here)
            await write_ahead(there)
            await writing.goes_on(90)
        after = dict(await cluster.seconds_to_apply())
    await elsewhere.close()
    async with cluster.working():
        await cluster.verify()
    usual = _p90(before.values())
    held = _p90(seconds for event_id, seconds in after.items() if event_id not in before)
    # A stall would last as long as the transaction: seconds. Half a second is what a busy machine adds.
    assert held <= 2 * usual + 0.5, f"{usual:.3f} s before, {held:.3f} s meanwhile"


def _p90(seconds: Iterable[float]) -> float:
    return quantiles(seconds, n=10)[-1]


_ROUND = """
with event as (
    insert into outbox_event (shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major,
                              headers, payload)
    select n % 16, gen_random_uuid(), 'note', 'note-' || n % 64, n, 'threadly.specimen.note_written.v1', 1,
           '{}', '' from generate_series(1, 2000) n
    returning shard, id
)
insert into outbox_pending (shard, id) select shard, id from event
"""


async def test_f05_an_old_snapshot_does_not_slow_the_relay_down(
    cluster: Cluster, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F05: 80 000 events go through two relays' hands while vacuum is held back by a reader.

    That takes four seconds, so the low-water marks make in these as many steps as in minutes.
    """
    monkeypatch.setattr(low_water, "_STEP_EVERY", 0.02)
    url = cluster.specimen.database_url
    stores = [await OutboxStore.open(url) for _ in range(2)]
    times = []
    async with await psycopg.AsyncConnection.connect(url) as reader:
        await reader.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await reader.execute("select count(*) from outbox_pending")
        for number in range(40 * length):
            await cluster.specimen.execute(_ROUND)
            times.append(await _seconds_a_read(stores[number % 2]))
    for store in stores:
        await store.close()
    # The quickest of each, since whatever else the machine does only adds.
    assert min(times[-10:]) <= 1.5 * min(times[:10]), [round(seconds * 1000, 1) for seconds in times]


async def _seconds_a_read(store: OutboxStore) -> float:
    """Empty the outbox as a relay does; returns how long one read of it took, in the middle."""
    times = []
    while True:
        shards = await store.lease(16)
        started = time.perf_counter()
        rows = await store.fetch(shards, 512) if shards else []
        times.append(time.perf_counter() - started)
        await store.commit(rows)
        if not rows:
            return median(times)


_DIES_AT_THE_COMMIT = f"""
import asyncio, os, signal
from threadly_chassis.db import Database
from threadly_chassis.outbox import outbox_wakeup
from {SPECIMEN}.service import write_note

async def main():
    db = Database.at(os.environ["DATABASE"])
    async with outbox_wakeup(db):
        db.on_publish = lambda: os.kill(os.getpid(), signal.SIGKILL)
        async with db.transaction() as tx:
            await write_note(tx, "last words")

asyncio.run(main())
"""


async def test_f14_the_api_killed_between_its_commit_and_the_wake_up(cluster: Cluster) -> None:
    """F14: nobody is told that there is something to send; the relays find it all the same."""
    async with cluster.working():
        environment = {**os.environ, "DATABASE": cluster.specimen.database_url}
        died = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DIES_AT_THE_COMMIT, env=environment
        )
        assert await died.wait() == -signal.SIGKILL
        history = await cluster.verify()
    assert [fact.aggregate for fact in history.appended] == ["last words"]
    assert history.lag_seconds < 3
