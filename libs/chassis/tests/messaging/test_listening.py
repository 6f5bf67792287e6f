"""Requests over `t.control` are heard again whatever has happened to their queue."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiormq.channel import Channel
from pamqp import commands as spec

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.listening import ControlListener
from threadly_chassis.messaging.publisher import Outgoing, Publisher
from threadly_chassis.messaging.topology import CONTROL_EXCHANGE, Topology, resend_key, resend_queue
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.service import SUBSCRIPTIONS

pytestmark = pytest.mark.integration

QUEUE, KEY = resend_queue("specimen"), resend_key("specimen")


class _Listener(ControlListener):
    quiet_seconds = 0.5

    def __init__(self, connection: BrokerConnection) -> None:
        super().__init__(QUEUE, connection)
        self.heard: list[bytes] = []
        self.subscriptions = 0

    async def _listen(self) -> None:
        self.subscriptions += 1
        await super()._listen()

    async def take(self, message: AbstractIncomingMessage) -> None:
        self.heard.append(message.body)
        await message.ack()


class _Place:
    """A virtual host with the specimen's queues, and somebody who asks."""

    def __init__(self, broker: BrokerConnection, publisher: Publisher) -> None:
        self.broker, self.publisher = broker, publisher

    async def declare(self) -> None:
        await Topology([SUBSCRIPTIONS], Ladder(("200ms",))).apply(await self.broker.get())

    async def delete(self) -> None:
        async with (await self.broker.get()).channel() as channel:
            await channel.queue_delete(QUEUE)

    async def listeners(self) -> int:
        async with (await self.broker.get()).channel() as channel:
            return (await channel.get_queue(QUEUE)).declaration_result.consumer_count or 0

    async def ask(self, body: bytes) -> None:
        properties = spec.Basic.Properties(message_id=body.decode())
        await self.publisher.publish([Outgoing(CONTROL_EXCHANGE, KEY, properties, body)])


@pytest.fixture
async def place(vhost: str) -> AsyncIterator[_Place]:
    broker, publishing = BrokerConnection(vhost, "test"), BrokerConnection(vhost, "test, asking")
    here = _Place(broker, Publisher(publishing))
    await here.declare()
    yield here
    await publishing.close()
    await broker.close()


@pytest.fixture
async def listener(place: _Place, vhost: str) -> AsyncIterator[_Listener]:
    connection = BrokerConnection(vhost, "test, listening")
    listener = _Listener(connection)
    running = asyncio.create_task(listener.run())
    await eventually(place.listeners, describe="somebody to listen")
    yield listener
    await end_tasks(running)
    await connection.close()


async def test_a_queue_that_was_away_is_listened_to_again(place: _Place, listener: _Listener) -> None:
    """F27 for the questions: a gap's events would never have been asked for again."""
    listener.quiet_seconds = 3600
    await place.ask(b"early")
    await eventually(lambda: listener.heard, describe="the last question before an hour's patience")
    before = listener.subscriptions
    await place.delete()
    await eventually(lambda: listener.subscriptions > before, describe="the listener to be told")
    await place.declare()
    await place.ask(b"late")
    await eventually(lambda: listener.heard == [b"early", b"late"], describe="the question")


async def test_a_listener_whom_nobody_tells_subscribes_anew(
    place: _Place, listener: _Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ 3.10 does not always say that a subscription is over, least if the queue is back at once."""

    async def say_nothing(channel: Channel, frame: object) -> None:
        """As if it had not come."""

    monkeypatch.setattr(Channel, "_on_cancel_frame", say_nothing)
    await place.delete()
    await place.declare()
    await place.ask(b"late")
    await eventually(lambda: listener.heard == [b"late"], describe="the question")


async def test_who_listens_anew_forgets_nothing_and_hears_nothing_twice(
    place: _Place, listener: _Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Listener, "quiet_seconds", 0.0)
    asked = [str(n).encode() for n in range(60)]
    for body in asked:
        await place.ask(body)
    await eventually(lambda: set(asked) <= set(listener.heard), describe="all questions")
    await place.ask(b"last")
    await eventually(lambda: b"last" in listener.heard, describe="what comes behind any that came again")
    assert sorted(listener.heard) == sorted([*asked, b"last"])
