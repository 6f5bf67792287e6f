"""Handlers that fail, hang, or take their process down (eventing §5)."""

from collections import defaultdict
from collections.abc import Callable

import pytest

from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import Load, patience

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


async def test_f36_a_message_that_kills_its_process_is_found_and_its_neighbours_are_spared(
    cluster: Cluster,
) -> None:
    """F36, R-SYS-10: a crash loop ends within five deaths, with one dead letter and forty effects."""
    await cluster.specimen.write(*(f"good-{number}" for number in range(20)))
    await cluster.specimen.write("bad", says="die")
    await cluster.specimen.write(*(f"good-{number}" for number in range(20, 40)))
    async with cluster.supervised() as deaths:
        await cluster.at_rest(seconds=60, every=1)
    assert deaths == [-9] * len(deaths)
    assert 1 <= len(deaths) <= 5
    cluster.stop()
    [letter] = await cluster.specimen.take("specimen.every.dlq")
    assert letter.headers["t-dead-reason"] == "crash-loop"
    assert letter.headers["cloudEvents:subject"] == "bad"
    assert {note for note, _ in await cluster.specimen.effects()} == {
        f"good-{number}" for number in range(40)
    }


@pytest.mark.parametrize("ladder", [("1s", "2s")])
async def test_f37_an_outage_of_what_handlers_need_dead_letters_nothing(
    cluster: Cluster, load: MakeLoad
) -> None:
    """F37, R-SYS-10: every message fails, for much longer than the ladder is; then all are applied."""
    writing = load(cluster)
    async with cluster.working():
        await cluster.specimen.execute(
            "insert into consumer_fault values ('specimen.every', 'the bank is closed', false, null)"
        )
        async with writing.running():
            # The ladder is three seconds long.
            await writing.goes_on(120)
        assert await cluster.specimen.depth("specimen.every.dlq") == 0
        assert await cluster.specimen.effects() == []
        await cluster.specimen.execute("delete from consumer_fault")
        await cluster.verify(seconds=60)


async def test_f38_transient_failures_are_counted_exactly_and_wait_as_long_as_they_should(
    cluster: Cluster, load: MakeLoad
) -> None:
    """F38: each event is tried as often as it asked for, with [X/2, X + 1 s] between two tries."""
    writing = load(cluster)
    writing.says = ("",) * 6 + ("fail until attempt 2", "fail until attempt 3")
    # No more than is handled at once: a message that comes back waits in line, which is not what is measured.
    async with cluster.working():
        async with writing.running(writers=1):
            await writing.goes_on(80)
        await cluster.verify()
    asked = dict(
        await cluster.specimen.query(
            "select event_id::text, coalesce(substring(text from 'attempt ([0-9])')::int, 1) from effect "
            "where consumer = 'specimen.every'"
        )
    )
    tries = _tries(cluster, "specimen.every")
    assert {event: list(attempts) for event, attempts in tries.items()} == {
        event: list(range(1, attempts + 1)) for event, attempts in asked.items()
    }
    waits = {1: [], 2: []}  # type: dict[int, list[float]]
    for attempts in tries.values():
        for attempt in list(attempts)[:-1]:
            waits[attempt].append(attempts[attempt + 1][0] - attempts[attempt][-1])
    for attempt, bound in ((1, 0.2), (2, 0.4)):
        assert min(waits[attempt]) >= bound / 2
        assert max(waits[attempt]) <= bound + patience(1.0)


def _tries(cluster: Cluster, consumer: str) -> dict[str, dict[int, list[float]]]:
    """Event to attempt to the moments at which its handler was called; a broken-up batch calls it twice."""
    tries: dict[str, dict[int, list[float]]] = defaultdict(dict)
    for delivery in cluster.deliveries(consumer):
        tries[delivery["event_id"]].setdefault(delivery["attempt"], []).append(delivery["at"])
    return tries
