"""Kill -9 between any two steps of a strict stream: nothing lost, nothing doubled, nothing out of order."""

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Processes
from threadly_chassis.testing.specimen.ordered import Ordered

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "fault",
    [
        "consumer.before_commit",
        "consumer.before_commit:exit@3",
        "stream.before_block",
        "consumer.after_republish",
        "consumer.after_commit",
        "consumer.after_commit:exit@3",
        "stream.before_parked",
    ],
)
async def test_killed_anywhere_the_stream_goes_on(
    ordered: Ordered, strict_processes: Processes, fault: str
) -> None:
    """I1 to I3: the head fails and heals, its successors were parked, then the next one fails in its turn."""
    await ordered.write("a", "", "fail until attempt 2", "", "fail until attempt 3", "", "")
    await strict_processes.start_and_die(fault if ":" in fault else f"{fault}:exit")
    strict_processes.start()
    await ordered.applied("a", 1, 2, 3, 4, 5, 6)
    await eventually(lambda: _at_rest(ordered), describe="nothing left anywhere")
    assert await ordered.versions("a") == [1, 2, 3, 4, 5, 6]
    assert await ordered.stream("a") == (6, None, 0)


async def _at_rest(ordered: Ordered) -> bool:
    queues = ("", ".wait.200ms", ".wait.400ms", ".dlq")
    depths = [await ordered.specimen.depth(f"specimen.ordered{queue}") for queue in queues]
    return not any(depths)


async def test_killed_when_the_head_is_committed_and_the_tail_is_not(
    ordered: Ordered, strict_processes: Processes
) -> None:
    """Whoever starts next finds what may go on, though no message comes for it."""
    await ordered.write("a", "needs antidote", "", "")
    async with ordered.working():
        [letter] = await ordered.dead()
        await ordered.parked("a", 2)
    await ordered.cure("antidote")
    await ordered.replay(letter)
    await strict_processes.start_and_die("stream.before_parked:exit")
    assert await ordered.versions("a") == [1]
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3)
        await ordered.parked("a", 0)


async def test_a_message_that_kills_its_process_is_given_up_and_its_neighbours_are_not(
    ordered: Ordered, strict_processes: Processes
) -> None:
    """F36: a crash loop ends after at most five deaths; whatever else was in hand is applied."""
    neighbours = [f"good-{number}" for number in range(20)]
    await ordered.specimen.write(*neighbours[:10])
    await ordered.write("bad", "", "die", "")
    await ordered.specimen.write(*neighbours[10:])
    deaths = await _until_it_lives(ordered, strict_processes)
    assert 3 <= deaths <= 5
    for note in neighbours:
        await ordered.applied(note, 1)
    [letter] = await ordered.dead()
    assert letter.headers["t-dead-reason"] == "crash-loop"
    assert letter.headers["cloudEvents:subject"] == "bad"
    await ordered.parked("bad", 1)
    assert await ordered.versions("bad") == [1]
    assert await ordered.specimen.query("select 1 from consumer_start") == []


async def test_a_parked_event_that_kills_its_process_is_given_up_too(
    ordered: Ordered, strict_processes: Processes
) -> None:
    """F36 where no broker counts deliveries."""
    await ordered.write("bad", "needs antidote", "", "die", "")
    async with ordered.working():
        [head] = await ordered.dead()
        await ordered.parked("bad", 3)
    await ordered.cure("antidote")
    await ordered.replay(head)
    deaths = await _until_it_lives(ordered, strict_processes)
    assert 3 <= deaths <= 5
    [letter] = await ordered.dead()
    assert letter.headers["t-dead-reason"] == "crash-loop"
    assert await ordered.versions("bad") == [1, 2]
    await ordered.discard(letter)
    await ordered.applied("bad", 1, 2, 4)


async def _until_it_lives(ordered: Ordered, processes: Processes) -> int:
    """Restart the worker as often as it dies, until there is a dead letter; returns the deaths."""
    deaths, process = 0, processes.start()

    async def given_up() -> bool:
        nonlocal deaths, process
        if process.poll() is not None:
            deaths += 1
            process = processes.start()
        return await ordered.specimen.depth("specimen.ordered.dlq") == 1

    await eventually(given_up, timeout=90, describe="the end of the crash loop")
    return deaths
