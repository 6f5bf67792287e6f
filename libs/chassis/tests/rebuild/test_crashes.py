"""Kill -9 in the middle of a rebuild: it goes on where it was."""

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_contracts.operations import RebuildStreamed

pytestmark = pytest.mark.integration

STORIES = tuple(f"story-{number}" for number in range(30))


async def test_owner_killed_between_confirms_and_its_mark(library: Library) -> None:
    """It resumes at its stored position: only the batch under way is sent twice."""
    async with library.reader.working():
        async with library.author.working():
            await library.tell(*STORIES)
            await eventually(library.in_step, describe="the copies")
        await library.reader.execute("delete from copy")
        rebuild = await library.request(rate=100)
        await library.killed(library.start(library.author, "rebuild.after_confirms:exit@3"))
        [(state, sent)] = await library.author.query("select state, sent from rebuild_source")
        assert (state, sent) == ("streaming", 20)
        library.start(library.author)
        verdict = await library.verdict(rebuild)
        await eventually(library.in_step, describe="the copies")
    assert verdict.is_equal, verdict.shares
    [streamed] = await library.author.said(RebuildStreamed, rebuild)
    assert (streamed.events, streamed.aggregates) == (30, 30)
    assert await library.author.query("select sent from rebuild_source") == [(30,)]


@pytest.mark.parametrize("fault", ["consumer.before_commit:exit@8", "consumer.after_commit:exit@8"])
async def test_reader_killed(library: Library, fault: str) -> None:
    async with library.author.working():
        async with library.reader.working():
            await library.tell(*STORIES)
            await eventually(library.in_step, describe="the copies")
        await library.reader.execute("delete from copy")
        dying = library.start(library.reader, fault)
        rebuild = await library.request(rate=60)
        await library.killed(dying)
        assert len(await library.copies()) < len(STORIES)
        library.start(library.reader)
        verdict = await library.verdict(rebuild)
        await eventually(library.in_step, describe="the copies")
    assert verdict.is_equal, verdict.shares
    assert await library.depth("reader.copies.dlq") == 0
