"""What a consumer is handed: everything thrice and shuffled, poison, handlers that hang (eventing §5)."""

import random
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from aio_pika.abc import AbstractIncomingMessage
from pamqp import commands as spec

from threadly_chassis.messaging.discards import with_discards
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.harness import LADDER
from threadly_chassis.testing.specimen.load import Load, patience
from threadly_chassis.testing.specimen.ordered import Ordered
from threadly_chassis.testing.specimen.strict import STRICT
from threadly_chassis.worker import Worker

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


def _copy(queue: str, message: AbstractIncomingMessage) -> Outgoing:
    properties = spec.Basic.Properties(
        message_id=message.message_id, delivery_mode=2, headers=dict(message.headers)
    )
    return Outgoing("", queue, properties, message.body)


def _shuffled(
    chance: random.Random, messages: Iterable[AbstractIncomingMessage]
) -> list[AbstractIncomingMessage]:
    copies = list(messages) * 3
    chance.shuffle(copies)
    return copies


async def test_f33_everything_thrice_and_shuffled(cluster: Cluster, length: int, seed: int) -> None:
    """F33: 1 000 deliveries in any order; I2 for every event, I3 for the reader of the newest."""
    chance, specimen = random.Random(seed), cluster.specimen  # noqa: S311 - no secret
    for _ in range(length):
        await specimen.write(*(f"note-{number % 8}" for number in range(333)))
        await cluster.relay_everything()
        for queue in ("specimen.every", "specimen.newest"):
            copies = _shuffled(chance, await specimen.take(queue))
            await specimen.publish(*(_copy(queue, message) for message in copies))
        async with cluster.working():
            await cluster.at_rest()
    await cluster.verify()


@pytest.fixture
async def ordered(cluster: Cluster) -> Ordered:
    """The cluster's specimen with a strict reader."""
    connection = await cluster.specimen.broker.get()
    await Topology([with_discards(STRICT)], Ladder(LADDER)).apply(connection)
    return Ordered(cluster.specimen).with_settings(gap_resend_after=0.3)


async def test_f33_strict_streams_thrice_and_shuffled(ordered: Ordered, seed: int) -> None:
    """F33: I3 in full: versions 1, 2, 3, … of each stream, whatever came when and how often."""
    chance, notes, last = random.Random(seed), [f"note-{number}" for number in range(6)], 25  # noqa: S311
    for _ in range(last):
        await ordered.specimen.write(*notes)
    copies = _shuffled(chance, await ordered.sent(len(notes) * last))
    await ordered.specimen.publish(*(_copy("specimen.ordered", message) for message in copies))
    async with ordered.working(), ordered.working():
        for note in notes:
            await ordered.applied(note, *range(1, last + 1), seconds=patience(30))
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_f35_what_follows_poison_is_parked_and_all_else_goes_on(ordered: Ordered) -> None:
    """F35: 500 successors wait, healthy streams do not (I6); cured and replayed, the tail is whole (I3)."""
    bad, healthy = "bad", [f"good-{number}" for number in range(20)]
    await ordered.write(bad, "", "needs antidote", *[""] * 500)
    async with ordered.working(), ordered.working():
        [letter] = await ordered.dead()
        await ordered.parked(bad, 500)
        await ordered.specimen.write(*healthy)
        for note in healthy:
            await ordered.applied(note, 1, seconds=patience(5))
        assert await ordered.stream(bad) == (1, UUID(str(letter.headers["cloudEvents:id"])), 500)
        await ordered.cure("antidote")
        await ordered.replay(letter)
        await ordered.applied(bad, *range(1, 503), seconds=patience(60))
    assert await ordered.stream(bad) == (502, None, 0)


def _shorten_deadline(worker: Worker, seconds: float) -> None:
    for runner in worker.consumers:
        handling = runner._processing.handling
        if hasattr(handling, "_deadline"):
            handling._deadline = seconds


async def test_f28_a_handler_that_hangs_is_cancelled_by_its_own_deadline(
    cluster: Cluster, load: MakeLoad
) -> None:
    """F28: long before the broker loses patience; it goes down the ladder, and nobody else waits for it."""
    writing = load(cluster)
    async with AsyncExitStack() as stack:
        for worker in await stack.enter_async_context(cluster.working()):
            _shorten_deadline(worker, 0.3)
        await cluster.specimen.write("hangs", says="hang 300")
        async with writing.running():
            await writing.goes_on(20)
        await cluster.verify(every=1)
        tries = [d["attempt"] for d in cluster.deliveries("specimen.every") if d["note_id"] == "hangs"]
    assert set(tries) == {1, 2, 3}
    assert "hangs" not in {note for note, _ in await cluster.specimen.effects()}
