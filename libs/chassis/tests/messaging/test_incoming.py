"""Deliveries reach their consumer in the order of the queue, and say what was published."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiormq.abc import DeliveredMessage
from pamqp import commands as spec

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.incoming import DeliveryChannel, Incoming, incoming
from threadly_chassis.messaging.publisher import Outgoing, Publisher
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration

_MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def connection(vhost: str) -> AsyncIterator[BrokerConnection]:
    connection = BrokerConnection(vhost, "test")
    async with (await connection.get()).channel() as channel:
        await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
        yield connection
    await connection.close()


async def _publish(connection: BrokerConnection, *bodies: bytes) -> None:
    properties = spec.Basic.Properties(
        app_id="a",
        content_type="text/plain",
        correlation_id="c",
        delivery_mode=2,
        headers={"x": 1},
        message_id="m",
        message_type="t",
        timestamp=_MOMENT,
    )
    await Publisher(connection).publish([Outgoing("", "q", properties, body) for body in bodies])


async def test_a_callback_ends_before_the_next_delivery_is_taken(connection: BrokerConnection) -> None:
    taken: list[bytes] = []

    async def slower_for_the_even(message: DeliveredMessage) -> None:
        for _ in range(0 if int(message.body) % 2 else 3):
            await asyncio.sleep(0)
        taken.append(message.body)

    bodies = [str(number).encode() for number in range(200)]
    await _publish(connection, *bodies)
    channel = await DeliveryChannel.over(await connection.transport())
    await channel.basic_consume("q", slower_for_the_even, no_ack=True)
    await eventually(lambda: len(taken) == len(bodies), describe="all deliveries")
    assert taken == bodies


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 300_000], ids=["empty", "small", "three-frames"])
async def test_a_delivery_says_what_was_published(connection: BrokerConnection, body: bytes) -> None:
    taken: list[Incoming] = []

    async def take(message: DeliveredMessage) -> None:
        taken.append(incoming(message))

    await _publish(connection, body)
    channel = await DeliveryChannel.over(await connection.transport())
    await channel.basic_consume("q", take, no_ack=True)
    await eventually(lambda: taken, describe="the delivery")
    assert taken == [
        Incoming(
            headers={"x": 1},
            body=body,
            delivery_tag=1,
            routing_key="q",
            message_id="m",
            type="t",
            app_id="a",
            content_type="text/plain",
            correlation_id="c",
            timestamp=_MOMENT,
        )
    ]
