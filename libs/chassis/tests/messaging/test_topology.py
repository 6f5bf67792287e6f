"""The topology: computed, applied as often as one likes, and its effect checked on the broker itself."""

import asyncio
from functools import partial

import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp import commands as spec

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.messaging.topology import Queue, Topology, apply_patiently
from threadly_chassis.testing import eventually
from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import SUBSCRIPTIONS

LADDER = Ladder(("200ms", "400ms"))


@pytest.mark.integration
async def test_apply_is_idempotent_and_check_is_content(specimen: Specimen) -> None:
    connection = await specimen.broker.get()
    topology = Topology([SUBSCRIPTIONS], LADDER)
    await topology.apply(connection)
    await topology.apply(connection)
    assert await topology.check(connection) == []


@pytest.mark.integration
async def test_apply_waits_for_a_broker_that_is_about_to_start(vhost: str) -> None:
    topology = Topology([SUBSCRIPTIONS], LADDER)
    async with TcpProxy.before(vhost) as door:
        broker = BrokerConnection(door.url(vhost), "test")
        await door.refuse()
        with pytest.raises(ConnectionError):
            await apply_patiently(topology, broker, seconds=0)
        applying = asyncio.create_task(apply_patiently(topology, broker))
        door.up.hold()
        await door.accept()
        await eventually(lambda: door.connections, describe="a connection that stays silent")
        door.cut()
        door.heal()
        await applying
        assert await topology.check(await broker.get()) == []
        await broker.close()


@pytest.mark.integration
async def test_apply_says_a_difference_at_once(vhost: str) -> None:
    broker = BrokerConnection(vhost, "test")
    topology = Topology([SUBSCRIPTIONS], LADDER)
    await apply_patiently(topology, broker)
    first = topology.queues[0]
    topology.queues[0] = Queue(first.name, {**first.arguments, "x-delivery-limit": 7})
    with pytest.raises(ChannelPreconditionFailed, match="x-delivery-limit"):
        await apply_patiently(topology, broker)
    await broker.close()


@pytest.mark.integration
async def test_check_names_what_is_missing_or_different_and_creates_nothing(vhost: str) -> None:
    broker = BrokerConnection(vhost, "test")
    connection = await broker.get()
    topology = Topology([SUBSCRIPTIONS], LADDER)
    everything = len(topology.exchanges) + len(topology.queues)
    for _ in range(2):
        problems = await topology.check(connection)
        assert len(problems) == everything
        assert "queue specimen.every is missing" in problems
    async with connection.channel() as channel:
        await channel.declare_queue("specimen.every", durable=True)
        await channel.declare_exchange("t.events", "fanout", durable=True)
    problems = await topology.check(connection)
    assert any(problem.startswith("queue specimen.every differs") for problem in problems)
    assert any(problem.startswith("exchange t.events differs") for problem in problems)
    await broker.close()


@pytest.mark.integration
async def test_a_rejected_message_reaches_the_dead_letters_by_the_broker_alone(specimen: Specimen) -> None:
    """The fallback when the letter itself cannot be written: at-least-once dead-lettering really works."""
    await specimen.publish(_to("specimen.every"))
    async with (await specimen.broker.get()).channel() as channel:
        queue = await channel.get_queue("specimen.every")
        message = await queue.get()
        await message.reject(requeue=False)
    await eventually(lambda: _depth(specimen, "specimen.every.dlq", 1), describe="the dead letter")


@pytest.mark.integration
async def test_a_message_requeued_many_times_stays(specimen: Specimen) -> None:
    """The delivery limit is explicit: 4.x would drop at 20, 3.10 drops at the first with -1 (eventing M3)."""
    await specimen.publish(_to("specimen.every"), _to("specimen.every.dlq"))
    for name in ("specimen.every", "specimen.every.dlq"):
        async with (await specimen.broker.get()).channel() as channel:
            queue = await channel.get_queue(name)
            for _ in range(40):
                message = await queue.get(timeout=5)
                await message.reject(requeue=True)
        await eventually(partial(_depth, specimen, name, 1), describe=f"the message in {name}")


@pytest.mark.integration
async def test_a_wait_queue_gives_back_to_its_own_queue_only(specimen: Specimen) -> None:
    waiting = Outgoing(
        "specimen.every.wait.200ms",
        "specimen.every",
        spec.Basic.Properties(message_id="1", expiration="50"),
        b"",
    )
    await specimen.publish(waiting)
    await eventually(lambda: _depth(specimen, "specimen.every", 1), describe="the message that waited")
    assert await specimen.depth("specimen.newest") == 0


def _to(queue: str) -> Outgoing:
    return Outgoing("", queue, spec.Basic.Properties(message_id=queue, delivery_mode=2), b"")


async def _depth(specimen: Specimen, queue: str, count: int) -> bool:
    return bool(await specimen.depth(queue) == count)
