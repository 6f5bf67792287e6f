"""kill -9 at a named point in one of two workers, under load: the other goes on, a third takes its place."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from threadly_chassis.testing.history import History
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]

_FAILING = ("specimen.every", "specimen.outside")


async def _killed_under_load(cluster: Cluster, writing: Load, fault: str, **environment: str) -> History:
    """Kill one of two workers at a fault point, `length` times; returns the verified history."""
    cluster.start(1)
    async with writing.running():
        for _ in range(writing.length):
            [doomed] = cluster.start(1, THREADLY_FAULT=fault, **environment)
            await cluster.dies(doomed)
        cluster.start(1)
        await cluster.consuming()
        await writing.goes_on(20)
    return await cluster.verify()


# Passings 1 and 2 may be of the batches in which the workers introduce themselves.
async def test_f11_a_relay_killed_before_it_publishes(cluster: Cluster, load: MakeLoad) -> None:
    """F11: I1, and no duplicate: nothing had been sent.

    With one relay: of three in a process another may have sent something at that very moment.
    """
    fault = "relay.before_publish:exit@5"
    history = await _killed_under_load(cluster, load(cluster), fault, THREADLY_RELAYS="1")
    assert history.summary()["repeated"] == 0


async def test_f12_a_relay_killed_between_publish_and_confirms(cluster: Cluster, load: MakeLoad) -> None:
    """F12: I1, I2, whether or not the broker has read what was written."""
    await _killed_under_load(cluster, load(cluster), "relay.after_publish:exit@5")


async def test_f13_a_relay_killed_between_confirms_and_commit(cluster: Cluster, load: MakeLoad) -> None:
    """F13: I1, I2, and the duplicates were really there."""
    history = await _killed_under_load(cluster, load(cluster), "relay.after_confirms:exit@5")
    assert history.summary()["repeated"] > 0


async def test_f15_a_consumer_killed_before_its_commit(cluster: Cluster, load: MakeLoad) -> None:
    """F15: I1, I2; what it had in hand and not committed is somebody else's."""
    await _killed_under_load(cluster, load(cluster), "consumer.before_commit:exit@3")


async def test_f16_a_consumer_killed_between_commit_and_ack(cluster: Cluster, load: MakeLoad) -> None:
    """F16: I2, and the inbox met what had been applied before."""
    await _killed_under_load(cluster, load(cluster), "consumer.after_commit:exit@3")
    hits = [
        await cluster.measured(f'threadly_consumed_total{{consumer="{name}",outcome="duplicate"}}')
        for name in ("specimen.every", "specimen.newest", "specimen.outside")
    ]
    assert sum(hits) >= 1


async def test_f18_a_consumer_killed_between_dead_letter_and_ack(
    cluster: Cluster, operations: OperationsDeps
) -> None:
    """F18: two letters lie in the queue, and operations has one of each: same consumer, event and attempt."""
    cluster.start(1)
    [doomed] = cluster.start(1, THREADLY_FAULT="consumer.after_republish:exit")
    await cluster.consuming()
    await cluster.specimen.write(*(f"note-{number}" for number in range(20)), says="permanent")
    await cluster.dies(doomed)
    cluster.start(1)
    await cluster.consuming()
    await patiently(lambda: _a_letter_lies_there_twice(cluster), describe="a letter twice")
    await patiently(lambda: _gathered(operations), describe="forty letters, each once")


async def _a_letter_lies_there_twice(cluster: Cluster) -> bool:
    letters = [await cluster.specimen.depth(f"{consumer}.dlq") for consumer in _FAILING]
    if sum(letters) <= 40:
        raise AssertionError(f"{letters} letters")
    return True


async def _gathered(operations: OperationsDeps) -> bool:
    await gather_dead_letters(operations)
    async with operations.db.read() as session:
        letters = await session.execute(text("select consumer from dead_letter where status = 'OPEN'"))
        return sorted(letters.scalars()) == sorted(_FAILING * 20)
