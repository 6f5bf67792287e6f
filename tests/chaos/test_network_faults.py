"""The network between a worker and its broker: silent, slow, cut (eventing §5)."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.outbox.relay import Relay
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import Load, patiently

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_f24_a_worker_in_a_black_hole_holds_up_nobody(
    cluster: Cluster, load: MakeLoad, direction: str
) -> None:
    """F24: no RST, no error, just silence, for one of two workers; the other one takes over all its work.

    With a heartbeat of 1 s the broker hangs up after 2 s and the client after 6 s.
    """
    url = cluster.specimen.settings.amqp_url.get_secret_value()
    writing = load(cluster)
    async with TcpProxy.before(url) as proxy:
        behind = SecretStr(f"{proxy.url(url)}?heartbeat=1")
        async with cluster.working(1, amqp_url=behind), cluster.working(1):
            for _ in range(writing.length):
                async with writing.running():
                    await writing.goes_on(10)
                    getattr(proxy, direction).hold()
                    await writing.goes_on(20)
                await cluster.at_rest()
                await patiently(lambda: _alone(cluster), describe="the broker to give up the silent one")
                proxy.heal()
                await cluster.consuming()
            await cluster.verify()


async def _alone(cluster: Cluster) -> bool:
    return await cluster.consumers_of("specimen.every") == 1


async def test_f25_a_slow_line_slows_and_loses_nothing(cluster: Cluster) -> None:
    """F25: 100 kB take longer than confirms may: relays must send less at once, or nothing is confirmed."""
    specimen = cluster.specimen
    url = specimen.settings.amqp_url.get_secret_value()
    await specimen.write(*(f"note-{number % 8}" for number in range(60)), says="x" * 2000)
    async with TcpProxy.before(url) as proxy, AsyncExitStack() as stack:
        proxy.up.rate, proxy.up.delay = 50_000, 0.1
        relays = []
        for _ in range(2):
            connection = BrokerConnection(proxy.url(url), "a slow relay")
            stack.push_async_callback(connection.close)
            relay = Relay(specimen.database_url, Publisher(connection, timeout=1.0))
            relays.append(asyncio.create_task(relay.run()))
        stack.push_async_callback(end_tasks, *relays)
        await patiently(lambda: _nothing_pending(cluster), describe="an empty outbox")
    async with cluster.working():
        history = await cluster.verify()
    assert len(history.published) <= 3 * len(history.appended), "most of the line went into repeats"


async def _nothing_pending(cluster: Cluster) -> bool:
    return await cluster.specimen.pending() == 0


async def test_cut_again_and_again(cluster: Cluster, load: MakeLoad) -> None:
    """R-SYS-10: every connection reset, three times, under load."""
    url = cluster.specimen.settings.amqp_url.get_secret_value()
    writing = load(cluster)
    async with TcpProxy.before(url) as proxy, cluster.working(amqp_url=SecretStr(proxy.url(url))):
        async with writing.running():
            for _ in range(3 * writing.length):
                await cluster.consuming()
                await writing.goes_on(10)
                proxy.cut()
        await cluster.verify()


async def test_f28_a_stale_run_and_its_redelivery_make_one_effect(cluster: Cluster) -> None:
    """F28: a process frozen in a handler wakes up after its message has been given to another one.

    That is also what a consumer timeout of the broker looks like: the run goes on, its channel is gone.
    """
    url = cluster.specimen.settings.amqp_url.get_secret_value()
    async with TcpProxy.before(url) as one, TcpProxy.before(url) as other:
        proxies = {cluster.start(1, THREADLY_AMQP_URL=proxy.url(url))[0].pid: proxy for proxy in (one, other)}
        await cluster.consuming()
        await cluster.specimen.write("slow", says="hang 1")
        await patiently(lambda: cluster.deliveries("specimen.every"), describe="the handler to begin")
        [begun] = cluster.deliveries("specimen.every")
        [frozen] = [process for process in cluster.running if process.pid == begun["pid"]]
        frozen.send_signal(signal.SIGSTOP)
        try:
            proxies[frozen.pid].cut()
            await patiently(lambda: _waits_for_the_frozen(cluster), describe="the redelivery to be waiting")
        finally:
            frozen.send_signal(signal.SIGCONT)
        history = await cluster.verify()
    # Its channel is gone: either it committed before it noticed, or it gave up and the other one went on.
    assert len(history.consumers["specimen.every"].delivered) in {1, 2}


async def _waits_for_the_frozen(cluster: Cluster) -> bool:
    return bool(
        await cluster.specimen.query(
            "select 1 from pg_stat_activity where datname = current_database() "
            "and wait_event_type = 'Lock' and query ilike '%insert into inbox%'"
        )
    )
