"""Between a commit and the broker: rollbacks, commits out of order, lost wake-ups, poison (eventing §5)."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.messaging.topology import EVENTS_EXCHANGE, UNROUTED
from threadly_chassis.outbox.relay import Relay
from threadly_chassis.outbox.store import OutboxRow, OutboxStore
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_chassis.testing.specimen.cluster import TAP, Cluster
from threadly_chassis.testing.specimen.load import Load, patience, patiently
from threadly_chassis.testing.specimen.service import write_note

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]

QUEUES = ("specimen.every", "specimen.newest", "specimen.outside")
KEY = "specimen.note_written.v1"


async def test_f01_what_is_rolled_back_is_never_seen(cluster: Cluster, load: MakeLoad) -> None:
    """F01: 30 % of all transactions change their mind after the append; I4 on every queue and log."""
    writing = load(cluster)
    writing.rollback_share, writing.pause = 0.3, 0.02
    async with cluster.working(), writing.running(writers=4):
        await writing.goes_on(150)
    async with cluster.working():
        history = await cluster.verify()
    assert writing.rolled_back > writing.committed / 5
    assert len(history.appended) == writing.committed


async def test_f03_commits_out_of_order_lose_nothing(cluster: Cluster, load: MakeLoad) -> None:
    """F03: A draws its id before B and commits after B has left the outbox; I1, I3."""
    writing, specimen = load(cluster), cluster.specimen
    async with cluster.working():
        async with writing.running(writers=1):
            for number in range(5 * writing.length):
                async with specimen.db.transaction() as first:
                    await write_note(first, f"slow-{number % 2}")
                    await write_ahead(first)
                    await specimen.write(f"quick-{number % 2}")
                    await patiently(lambda: _left(cluster, "quick-%"), describe="the quick one's leaving")
        await cluster.verify()


async def _left(cluster: Cluster, notes: str) -> bool:
    return not await cluster.specimen.query(
        "select 1 from outbox_pending join outbox_event using (id, shard) where agg_id like :n", n=notes
    )


async def test_f06_lost_notifications_cost_only_time(cluster: Cluster, load: MakeLoad) -> None:
    """F06: nobody notifies (the writers have no notifier), and the listening lines are cut as well."""
    writing = load(cluster)
    async with cluster.working():
        async with writing.running():
            for _ in range(3):
                await patiently(lambda: _cut(cluster, "threadly relay listener"), describe="listeners")
                await writing.goes_on(10)
        history = await cluster.verify()
    # The longest pause between two polls is half a second.
    assert history.lag_seconds < patience(1.5)


async def _cut(cluster: Cluster, application: str) -> bool:
    return bool(
        await cluster.specimen.query(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = :a and datname = current_database()",
            a=application,
        )
    )


class _Leases:
    """Which relay held which shard from when to when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
        self._held: dict[int, tuple[float, list[int]]] = {}
        self._lease, self._commit = OutboxStore.lease, OutboxStore.commit
        leases = self

        async def lease(store: OutboxStore, shards: int) -> list[int]:
            return await leases.leasing(store, shards)

        async def commit(store: OutboxStore, settled: Collection[OutboxRow] = ()) -> None:
            await leases.committing(store, settled)

        monkeypatch.setattr(OutboxStore, "lease", lease)
        monkeypatch.setattr(OutboxStore, "commit", commit)

    async def leasing(self, store: OutboxStore, count: int) -> list[int]:
        shards = await self._lease(store, count)
        self._held[id(store)] = (asyncio.get_running_loop().time(), shards)
        return shards

    async def committing(self, store: OutboxStore, rows: Collection[OutboxRow]) -> None:
        began, shards = self._held.pop(id(store), (0.0, []))
        for shard in shards:
            self.of[shard].append((began, asyncio.get_running_loop().time(), id(store)))
        await self._commit(store, rows)

    def holders(self) -> set[int]:
        """Who has held a shard."""
        return {relay for held in self.of.values() for _, _, relay in held}

    def overlaps(self) -> list[tuple[Any, Any]]:
        """Pairs of leases of one shard that were held at the same time."""
        return [
            (one, other)
            for leases in self.of.values()
            for one, other in pairwise(sorted(leases))
            if one[1] > other[0]
        ]


async def test_f07_eight_relays_steal_from_each_other(
    cluster: Cluster, load: MakeLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F07: shards change hands at random; I1, I3 in the publish log, one publisher a shard at any time."""
    writing, leases = load(cluster), _Leases(monkeypatch)
    writing.pause, writing.aggregates = 0.01, 64
    async with _relays(cluster, 8), writing.running(writers=6):
        await writing.goes_on(300)
        await patiently(lambda: len(leases.holders()) == 8, describe="each relay to have held a shard")
    assert leases.overlaps() == []
    async with cluster.working():
        history = await cluster.verify()
    assert history.summary()["repeated"] == 0


@asynccontextmanager
async def _relays(cluster: Cluster, count: int) -> AsyncIterator[None]:
    url = cluster.specimen.settings.amqp_url.get_secret_value()
    connections = [BrokerConnection(url, "relay") for _ in range(count)]
    running = [
        asyncio.create_task(
            Relay(cluster.specimen.database_url, Publisher(connection), shards_at_once=2).run()
        )
        for connection in connections
    ]
    try:
        yield
        await patiently(lambda: _left(cluster, "%"), describe="an empty outbox")
    finally:
        await end_tasks(*running)
        for connection in connections:
            await connection.close()


_PLANT = """
with e as (
    insert into outbox_event
        (shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload)
    values (0, :id, 'note', 'poison', :version, :type, 1, cast(:headers as jsonb), '{}') returning id, shard
)
insert into outbox_pending (shard, id) select shard, id from e
"""
_POISON = [
    pytest.param("threadly." + KEY, '{"number": 99999999999999999999999999}', id="unserialisable"),
    pytest.param("threadly.specimen." + "x" * 300, "{}", id="oversize routing key"),
]


@pytest.mark.parametrize(("event_type", "headers"), _POISON)
async def test_f09_a_poisonous_row_blocks_its_aggregate_only(
    cluster: Cluster, load: MakeLoad, event_type: str, headers: str
) -> None:
    """F09: planted by SQL, since `append` refuses to write such a row; alert row and gauge, I6."""
    writing, specimen = load(cluster), cluster.specimen
    cluster.start()
    await cluster.consuming()
    async with writing.running():
        await writing.goes_on(10)
        for version in (1, 2):
            plant = {"id": new_id(), "version": version, "type": event_type, "headers": headers}
            await specimen.execute(_PLANT, **plant)
        await patiently(
            lambda: specimen.query("select 1 from outbox_blocked"), describe="a blocked aggregate"
        )
        await writing.goes_on(20)
    await patiently(lambda: _only_the_poison_is_left(cluster), describe="everything else's leaving")
    assert await specimen.query("select agg_id, from_version from outbox_blocked") == [("poison", 1)]
    # Each of the two processes shows what stands in the database they share.
    await patiently(lambda: _shows_blocked(cluster), describe="the gauge")
    await specimen.execute("delete from outbox_pending using outbox_event e where e.agg_id = 'poison'")
    await specimen.execute("delete from outbox_event where agg_id = 'poison'")
    await cluster.verify()


async def _only_the_poison_is_left(cluster: Cluster) -> bool:
    left = await cluster.specimen.query(
        "select agg_id from outbox_pending join outbox_event using (id, shard)"
    )
    return left == [("poison",)] * 2


async def _shows_blocked(cluster: Cluster) -> bool:
    return await cluster.measured("threadly_outbox_blocked") == 2


async def test_f10_with_its_binding_gone_an_event_is_kept_and_counted(
    cluster: Cluster, load: MakeLoad
) -> None:
    """F10: it lies in `t.unrouted`, no relay stops, and it can be sent on once the binding is back."""
    writing, specimen = load(cluster), cluster.specimen
    async with cluster.working(), (await specimen.broker.get()).channel() as channel:
        bound = await channel.get_underlay_channel()
        for queue, key in _bindings():
            await bound.queue_unbind(queue, EVENTS_EXCHANGE, key)
        async with writing.running():
            await writing.goes_on(15)
        await patiently(lambda: _left(cluster, "%"), describe="an empty outbox")
        for queue, key in _bindings():
            await bound.queue_bind(queue, EVENTS_EXCHANGE, key)
        unrouted = await specimen.take(UNROUTED)
        ours = [message for message in unrouted if message.routing_key == KEY]
        assert {message.message_id for message in ours} == set(map(str, await specimen.appended()))
        for message in ours:
            await bound.basic_publish(
                message.body,
                exchange=EVENTS_EXCHANGE,
                routing_key=KEY,
                properties=message.properties,
            )
        await cluster.verify()


def _bindings() -> list[tuple[str, str]]:
    return [*((queue, KEY) for queue in QUEUES), (TAP, "specimen.#")]
