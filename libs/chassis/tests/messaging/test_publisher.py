"""The confirming publisher: every message of a batch is confirmed or accounted for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from threadly_chassis.messaging.connection import BROKER_ERRORS, BrokerConnection
from threadly_chassis.messaging.publisher import (
    CONFIRM_TIMEOUT,
    Confirmation,
    Outgoing,
    Publisher,
    Refused,
    Unencodable,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def publisher(vhost: str) -> AsyncIterator[Publisher]:
    connection = BrokerConnection(vhost, "publisher under test")
    yield Publisher(connection)
    await connection.close()


@pytest.fixture
async def queue(vhost: str) -> AsyncIterator[Any]:
    connection = BrokerConnection(vhost, "test")
    async with (await connection.get()).channel() as channel:
        yield await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
    await connection.close()


def _message(queue: str, body: bytes = b"{}", **headers: Any) -> Outgoing:
    properties = spec.Basic.Properties(message_id=str(uuid4()), delivery_mode=2, headers=headers)
    return Outgoing("", queue, properties, body)


async def _bodies(queue: Any) -> list[bytes]:
    taken = []
    while (message := await queue.get(no_ack=True, fail=False)) is not None:
        taken.append(message.body)
    return taken


async def test_batches_are_confirmed_and_keep_their_order(publisher: Publisher, queue: Any) -> None:
    for batch in range(4):
        messages = [_message("q", str(batch * 500 + number).encode()) for number in range(500)]
        assert await publisher.publish(messages) == [Confirmation.CONFIRMED] * 500
    assert await _bodies(queue) == [str(number).encode() for number in range(2000)]


async def test_an_empty_batch_waits_for_nothing(publisher: Publisher) -> None:
    """It waited out its whole patience for confirms that nobody owed."""
    async with asyncio.timeout(CONFIRM_TIMEOUT / 2):
        assert await publisher.publish([]) == []


async def test_concurrent_batches_on_one_channel_each_get_their_own_answers(
    publisher: Publisher, queue: Any
) -> None:
    """What consumers do: many lanes republish at once."""
    batches = [[_message("q"), _message("nowhere"), _message("q")] for _ in range(20)]
    answers = await asyncio.gather(*map(publisher.publish, batches))
    expected = [Confirmation.CONFIRMED, Confirmation.RETURNED, Confirmation.CONFIRMED]
    assert answers == [expected] * 20
    assert len(await _bodies(queue)) == 40


async def test_a_body_of_several_frames_and_an_empty_one_arrive_whole(
    publisher: Publisher, queue: Any
) -> None:
    bodies = [b"x" * size for size in (0, 1, 131_063, 131_064, 131_065, 262_144)]
    outcomes = await publisher.publish([_message("q", body) for body in bodies])
    assert set(outcomes) == {Confirmation.CONFIRMED}
    assert await _bodies(queue) == bodies


async def test_a_message_without_a_queue_is_refused(publisher: Publisher) -> None:
    with pytest.raises(Refused, match="RETURNED"):
        await publisher.publish_one(_message("nowhere"))


async def test_a_full_queue_refuses(publisher: Publisher, vhost: str) -> None:
    connection = BrokerConnection(vhost, "test")
    async with (await connection.get()).channel() as channel:
        full: FieldTable = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        await channel.declare_queue("full", durable=True, arguments=full)
        outcomes = [(await publisher.publish([_message("full")]))[0] for _ in range(10)]
    await connection.close()
    # A quorum queue notices its limit a few messages late.
    assert outcomes[0] is Confirmation.CONFIRMED
    assert outcomes[-1] is Confirmation.REFUSED


async def test_nothing_is_sent_of_a_batch_with_an_unencodable_message(
    publisher: Publisher, queue: Any
) -> None:
    messages = [_message("q"), _message("q", number=1 << 70), _message("q")]
    with pytest.raises(Unencodable) as caught:
        await publisher.publish(messages)
    assert caught.value.index == 1
    assert await publisher.publish([messages[0]]) == [Confirmation.CONFIRMED]
    assert len(await _bodies(queue)) == 1


async def test_a_closed_channel_fails_the_batch_and_the_next_gets_a_new_one(
    publisher: Publisher, queue: Any
) -> None:
    missing = Outgoing("no such exchange", "q", spec.Basic.Properties(message_id="1"), b"")
    with pytest.raises(BROKER_ERRORS, match="no such exchange"):
        await publisher.publish([missing])
    assert await publisher.publish([_message("q")]) == [Confirmation.CONFIRMED]


async def test_a_lost_connection_is_opened_again(publisher: Publisher, queue: Any) -> None:
    await publisher.publish([_message("q")])
    transport = await publisher._connection.transport()
    await transport.close()
    assert await publisher.publish([_message("q")]) == [Confirmation.CONFIRMED]
    assert len(await _bodies(queue)) == 2


async def test_a_publish_cancelled_before_it_was_written_does_not_shift_later_confirms(
    publisher: Publisher, queue: Any
) -> None:
    """aio-pika 9 silently waited for ever here (eventing M2)."""
    await publisher.publish([_message("q")])
    channel = publisher._channel
    assert channel
    channel.write_queue, full = asyncio.Queue(maxsize=1), channel.write_queue
    channel.write_queue.put_nowait(None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await publisher.publish([_message("q") for _ in range(50)])
    channel.write_queue = full
    assert await publisher.publish([_message("q")]) == [Confirmation.CONFIRMED]
    assert len(await _bodies(queue)) == 2
