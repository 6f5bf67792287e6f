"""The broker is killed, away, out of memory, or loses a queue (eventing §5)."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from threadly_chassis.messaging.watchdog import Watchdog
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_embedded.breakable import Broker

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


async def test_f21_the_broker_killed_and_started_again_under_load(
    own_cluster: Cluster, broker: Broker, load: MakeLoad
) -> None:
    """F21, R-SYS-10: SIGKILL while both relays publish; I1 to I5, with rollbacks mixed in."""
    writing = load(own_cluster)
    async with own_cluster.working(), writing.running():
        for _ in range(writing.length):
            await writing.goes_on(10)
            await broker.kill()
            await broker.start()
        await writing.goes_on()
    assert not writing.errors
    async with own_cluster.working():
        await own_cluster.verify()


async def test_f22_writers_never_notice_that_the_broker_is_away(
    own_cluster: Cluster, broker: Broker, load: MakeLoad
) -> None:
    """F22, R-SYS-10: no write fails meanwhile, the backlog is drained in order."""
    writing = load(own_cluster)
    writing.pause = 0.02
    async with own_cluster.working():
        await broker.kill()
        try:
            async with writing.running():
                await writing.goes_on(150)
            assert await own_cluster.specimen.pending() >= 150
        finally:
            await broker.start()
        assert not writing.errors
        history = await own_cluster.verify()
    assert len(history.appended) >= 150


ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "absolute", "1GB")),
    "disk": (("set_disk_free_limit", "mem_relative", "1000"), ("set_disk_free_limit", "50MB")),
}


@pytest.mark.parametrize("resource", ALARMS)
async def test_f23_under_an_alarm_consumers_go_on_and_relays_wait(
    own_cluster: Cluster, broker: Broker, resource: str
) -> None:
    """F23: the broker reads from nobody who publishes, so acknowledgements must come over another line."""
    raise_alarm, clear_alarm = ALARMS[resource]
    specimen = own_cluster.specimen
    await specimen.write(*["early"] * 30)
    await own_cluster.relay_everything()
    await broker.control(*raise_alarm)
    async with AsyncExitStack() as working:
        try:
            await patiently(lambda: _alarmed(own_cluster), describe="the alarm")
            await working.enter_async_context(own_cluster.working())
            await specimen.write(*["late"] * 20)
            await patiently(lambda: _effects(own_cluster, 30), describe="the effects of what was queued")
            await patiently(lambda: _all_acknowledged(own_cluster), describe="acknowledgements meanwhile")
            assert await specimen.pending() >= 20
        finally:
            await broker.control(*clear_alarm)
        history = await own_cluster.verify()
    assert len(history.appended) == 50


def _all_acknowledged(cluster: Cluster) -> bool:
    queues = ("specimen.every", "specimen.newest", "specimen.outside")
    return all(cluster.standing(queue)["messages"] == 0 for queue in queues)


def _alarmed(cluster: Cluster) -> bool:
    [node] = cluster.management.call("GET", "nodes")
    return bool(node.get("mem_alarm") or node.get("disk_free_alarm"))


async def _effects(cluster: Cluster, count: int) -> bool:
    return len(await cluster.specimen.effects()) == count


async def test_f27_a_queue_deleted_under_its_consumers_is_consumed_again(
    cluster: Cluster, load: MakeLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F27: whether the broker tells both consumers or forgets to, within a minute they consume again.

    Here within seconds: RabbitMQ 3.10 forgets it three times out of four, and the watchdog finds out.
    """
    hurried = {"interval": 0.5, "stuck_seconds": 2.0}
    monkeypatch.setattr(Watchdog.__init__, "__kwdefaults__", hurried)
    writing = load(cluster)
    async with cluster.working():
        for _ in range(writing.length):
            async with writing.running():
                await writing.goes_on(10)
            await cluster.at_rest()
            await cluster.delete_queue("specimen.every")
            await cluster.apply_topology()
            await cluster.consuming()
        async with writing.running():
            await writing.goes_on(10)
        await cluster.verify()


@pytest.fixture
async def impatient_broker(broker: Broker) -> None:
    """A broker that tries each second to place a dead letter again; three minutes are its default."""
    await broker.control(
        "eval", "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 1000)."
    )


async def test_f39_a_queue_that_is_gone_keeps_nobody_elses_messages_waiting(
    impatient_broker: None, own_cluster: Cluster
) -> None:
    """F39: what waits to return to it stays in its wait queue; others' ladders go on; nothing is lost."""
    cluster, wait = own_cluster, "specimen.outside.wait.400ms"
    async with cluster.working():
        await cluster.specimen.write("before")
        await cluster.at_rest()
        await cluster.specimen.execute(
            "insert into consumer_fault values ('specimen.outside', 'wait', false, 8)"
        )
        await cluster.specimen.write(*(f"note-{number}" for number in range(4)), says="fail until attempt 2")
        await patiently(lambda: _spent(cluster), describe="four events on the second step of the ladder")
        await cluster.delete_queue("specimen.outside")
        await patiently(lambda: _effects(cluster, 5), describe="the other consumer's ladder")
        await patiently(lambda: _stuck(cluster, wait), describe="letters stuck but kept")
        await cluster.apply_topology()
        await cluster.verify()


async def _spent(cluster: Cluster) -> bool:
    return await cluster.specimen.query("select remaining from consumer_fault") == [(0,)]


def _stuck(cluster: Cluster, queue: str) -> bool:
    """Whether all that the broker holds there is neither ready nor delivered: a monitor's formula.

    How many they are is chance: the first to wait may be home again before its queue is deleted.
    """
    seen = cluster.standing(queue)
    if not seen["messages"] or seen["messages_ready"] or seen["messages_unacknowledged"]:
        raise AssertionError(seen)
    return True
