"""Duplicates, disorder, and two consumers at once."""

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from pamqp import commands as spec

from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration


def _copy(message: Any, queue: str) -> Outgoing:
    properties = spec.Basic.Properties(
        message_id=message.message_id, delivery_mode=2, headers=dict(message.headers)
    )
    return Outgoing("", queue, properties, message.body)


async def _all_sent(specimen: Specimen, queue: str, count: int) -> list[Any]:
    async def there() -> bool:
        return bool(await specimen.depth(queue) == count)

    await eventually(there, describe=f"{count} messages in {queue}")
    return list(await specimen.take(queue))


async def _tripled_and_shuffled(specimen: Specimen, queue: str, notes: int, versions: int) -> None:
    """Send all events through the broker, then put each three times, in any order, into one queue."""
    for _ in range(versions):
        await specimen.write(*(f"note-{number}" for number in range(notes)))
    worker = specimen.worker()
    relaying = asyncio.create_task(worker.relay.run())
    messages = await _all_sent(specimen, queue, notes * versions)
    await end_tasks(relaying)
    await worker._relaying.close()
    copies = messages * 3
    random.Random(33).shuffle(copies)  # noqa: S311 - the same disorder each time
    # A message id must not be in flight twice on one channel, so the copies go in rounds.
    for start in range(0, len(copies), 10):
        for message in copies[start : start + 10]:
            await specimen.publish(_copy(message, queue))


async def test_tripled_and_shuffled_each_event_has_one_effect(specimen: Specimen) -> None:
    """F33 for Gate.NONE: I2, with two consumers of the queue at once."""
    await _tripled_and_shuffled(specimen, "specimen.every", 5, 10)
    async with specimen.working(), specimen.working():
        await eventually(lambda: _empty(specimen, "specimen.every"), describe="an empty queue")
        await eventually(lambda: _effects(specimen, "specimen.every", 50), describe="50 effects")
    effects = await specimen.effects("specimen.every")
    assert sorted(effects) == sorted((f"note-{n}", v) for n in range(5) for v in range(1, 11))


async def test_tripled_and_shuffled_the_newest_wins(specimen: Specimen) -> None:
    """F33 for Gate.LATEST: versions only ever rise, and the last one is the newest."""
    await _tripled_and_shuffled(specimen, "specimen.newest", 5, 10)
    async with specimen.working(), specimen.working():
        await eventually(lambda: _newest_applied(specimen, 5, 10), describe="version 10 of each note")
        await eventually(lambda: _empty(specimen, "specimen.newest"), describe="an empty queue")
    effects = await specimen.effects("specimen.newest")
    for number in range(5):
        versions = [version for note, version in effects if note == f"note-{number}"]
        assert versions == sorted(set(versions))
        assert versions[-1] == 10


async def _empty(specimen: Specimen, queue: str) -> bool:
    return bool(await specimen.depth(queue) == 0)


async def _effects(specimen: Specimen, consumer: str, count: int) -> bool:
    return len(await specimen.effects(consumer)) == count


async def _newest_applied(specimen: Specimen, notes: int, version: int) -> bool:
    rows = await specimen.query(
        "select count(*) from inbox_stream where consumer = 'specimen.newest' and version = :v", v=version
    )
    return bool(rows == [(notes,)])


async def test_an_older_event_is_a_quiet_success(specimen: Specimen) -> None:
    await specimen.write("a", "a")
    worker = specimen.worker()
    relaying = asyncio.create_task(worker.relay.run())
    older, newer = await _all_sent(specimen, "specimen.newest", 2)
    await end_tasks(relaying)
    await worker._relaying.close()
    await specimen.publish(_copy(newer, "specimen.newest"))
    async with specimen.working():
        await eventually(lambda: _effects(specimen, "specimen.newest", 1), describe="the newer one's effect")
        await specimen.publish(_copy(older, "specimen.newest"))
        await eventually(lambda: _marked(specimen, 2), describe="the older one's inbox mark")
    assert await specimen.effects("specimen.newest") == [("a", 2)]
    assert await specimen.depth("specimen.newest.dlq") == 0


async def _marked(specimen: Specimen, count: int) -> bool:
    rows = await specimen.query("select count(*) from inbox where consumer = 'specimen.newest'")
    return bool(rows == [(count,)])


async def test_two_workers_share_the_work_and_double_nothing(specimen: Specimen) -> None:
    async with specimen.working(), specimen.working():
        for _ in range(10):
            await specimen.write(*(f"note-{number}" for number in range(20)))
        for consumer in ("specimen.every", "specimen.outside"):
            await eventually(
                partial(_effects, specimen, consumer, 200),
                timeout=20,
                describe=f"200 effects of {consumer}",
            )
    effects = await specimen.effects()
    assert len(set(effects)) == 200
