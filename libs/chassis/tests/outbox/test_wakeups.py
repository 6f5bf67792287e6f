"""When a relay looks, what it does without an answer, and timers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.outbox import outbox_wakeup, relay
from threadly_chassis.outbox.message import to_message
from threadly_chassis.outbox.relay import Relay
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.rows import logged
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _relaying(
    url: str, specimen: Specimen, relays: int = 1, patience: float = 5
) -> AsyncIterator[None]:
    connections = [BrokerConnection(url, "relay") for _ in range(relays)]
    tasks = [
        asyncio.create_task(Relay(specimen.database_url, Publisher(c, timeout=patience)).run())
        for c in connections
    ]
    try:
        yield
    finally:
        await end_tasks(*tasks)
        for connection in connections:
            await connection.close()


def _amqp(specimen: Specimen) -> str:
    return specimen.settings.amqp_url.get_secret_value()


async def _arrived(specimen: Specimen, count: int) -> bool:
    return await specimen.depth("specimen.every") >= count and await specimen.pending() == 0


async def _listens(specimen: Specimen) -> bool:
    """The listener has subscribed, and the relay has looked and found nothing: now it rests."""
    rows = await specimen.query(
        "select 1 from pg_stat_activity where datname = current_database() "
        "and application_name = 'threadly relay listener' and query like 'listen%'"
    )
    return bool(rows)


async def test_a_notification_alone_wakes_the_relay(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its poll is an hour away; the event is there within moments of its commit."""
    monkeypatch.setattr(relay, "_POLL", (3600.0, 3600.0))
    async with _relaying(_amqp(specimen), specimen), outbox_wakeup(specimen.db):
        await eventually(lambda: _listens(specimen), describe="the listener")
        # What was committed before it rested may have been found by its first look: this one was not.
        for number in range(3):
            await specimen.write("a")
            await eventually(partial(_arrived, specimen, number + 1), timeout=5, describe="the event")


async def test_without_wake_up_and_with_an_endless_poll_nothing_leaves(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would notice a relay that looks for other reasons."""
    monkeypatch.setattr(relay, "_POLL", (3600.0, 3600.0))
    rests = asyncio.Event()
    rest = Relay._rest

    async def note(self: Relay, seconds: float) -> None:
        rests.set()
        await rest(self, seconds)

    monkeypatch.setattr(Relay, "_rest", note)
    async with _relaying(_amqp(specimen), specimen):
        await eventually(lambda: _listens(specimen), describe="the listener")
        # What is committed before its first look, the relay finds without being woken.
        await asyncio.wait_for(rests.wait(), 10)
        await specimen.write("first", "second")
        with pytest.raises(AssertionError):
            await eventually(lambda: _arrived(specimen, 2), timeout=1.5)


async def test_an_unknown_outcome_is_sent_again_and_never_dropped(specimen: Specimen) -> None:
    """The broker has them and its confirms are lost: duplicates, and nothing settled on a guess."""
    proxy = TcpProxy.before(_amqp(specimen))
    await proxy.accept()
    async with proxy, _relaying(proxy.url(_amqp(specimen)), specimen, patience=0.5):
        await specimen.write("warm")
        await eventually(lambda: _arrived(specimen, 1), describe="a relay at work")
        proxy.down.hold()
        await specimen.write("a", "b", "a")
        await eventually(lambda: _depth(specimen, 2), describe="the broker to have some of them")
        await eventually(lambda: _gave_up_waiting(specimen), timeout=20, describe="the end of its patience")
        assert await specimen.pending() == 3
        sent = await specimen.depth("specimen.every") - 1
        proxy.heal()
        await eventually(
            lambda: _arrived(specimen, 4 + sent), timeout=30, describe="all three, those sent a second time"
        )
    versions: dict[str, list[int]] = {}
    for message in await specimen.take("specimen.every"):
        versions.setdefault(str(message.headers["cloudEvents:subject"]), []).append(
            int(str(message.headers["t-agg-version"]))
        )
    assert {note: sorted(set(seen)) for note, seen in versions.items()} == {
        "warm": [1],
        "a": [1, 2],
        "b": [1],
    }


async def _gave_up_waiting(specimen: Specimen) -> bool:
    return bool(await specimen.query("select 1 from outbox_shard where backoff_until is not null"))


async def _depth(specimen: Specimen, count: int) -> bool:
    return await specimen.depth("specimen.every") >= count


async def test_due_timers_leave_once_however_many_relays_look(specimen: Specimen) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    async with specimen.db.transaction() as tx:
        for number in range(200):
            await tx.publish(NoteWritten(note_id=f"n{number}", says=""), version=1, due_at=soon)
    async with _relaying(_amqp(specimen), specimen, relays=4):
        await eventually(lambda: _arrived(specimen, 200), describe="200 timers")
    ids = [message.message_id for message in await specimen.take("specimen.every")]
    assert len(ids) == len(set(ids)) == 200


async def test_a_timer_is_either_cancelled_or_sent(specimen: Specimen) -> None:
    """Cancelling races with falling due: whoever is told "cancelled" never hears of it again."""
    cancelled: set[str] = set()

    async def cancel_one(number: int) -> None:
        async with specimen.db.transaction() as tx:
            if await tx.cancel(f"key-{number}"):
                cancelled.add(f"n{number}")

    async with specimen.db.transaction() as tx:
        for number in range(120):
            due = datetime.now(UTC) + timedelta(milliseconds=10 * number)
            event = NoteWritten(note_id=f"n{number}", says="")
            await tx.publish(event, version=1, due_at=due, cancel_key=f"key-{number}")
    async with _relaying(_amqp(specimen), specimen, relays=2):
        for number in range(119, -1, -1):
            await cancel_one(number)
        await eventually(lambda: _arrived(specimen, 120 - len(cancelled)), describe="the others")
    sent = {str(message.headers["cloudEvents:subject"]) for message in await specimen.take("specimen.every")}
    assert sent | cancelled == {f"n{number}" for number in range(120)}
    assert not sent & cancelled
    assert sent
    assert cancelled


async def test_a_batch_is_one_write_to_the_socket(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 messages, persistent and mandatory, one coalesced write; every confirm is awaited."""
    publisher = specimen.publisher
    await specimen.write(*(f"note-{number % 50}" for number in range(500)))
    messages = [to_message(row) for row in await logged(specimen.db)]
    assert {message.properties.delivery_mode for message in messages} == {2}
    await publisher.publish(messages[:1])
    channel: Any = publisher._channel
    written: list[bytes] = []
    put = channel.write_queue.put

    async def note(frame: Any) -> None:
        written.append(frame.payload)
        await put(frame)

    monkeypatch.setattr(channel.write_queue, "put", note)
    outcomes = await publisher.publish(messages)
    assert {outcome.name for outcome in outcomes} == {"CONFIRMED"}
    assert len(outcomes) == 500
    assert len(written) == 1
