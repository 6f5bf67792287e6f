"""A reader is refilled from its owner's history while live events go on (eventing §3.8)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from threadly_chassis.db import Database
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.service import AUTHOR_SNAPSHOTS, StoryTold
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_contracts.operations import RebuildProgressed, RebuildStreamed

pytestmark = pytest.mark.integration

STORIES = tuple(f"story-{number}" for number in range(20))


async def _copied(library: Library) -> None:
    await eventually(library.in_step, describe="the reader in step with the author")


async def _keep_telling(library: Library) -> None:
    """Live traffic: known stories anew, and now and then one never told before."""
    number = 0
    while True:
        await library.tell(STORIES[number % len(STORIES)], f"new-{number}")
        number += 1


async def test_an_emptied_reader_is_refilled_under_live_traffic(library: Library) -> None:
    """F44 in short: the checksum is equal, and in the end every copy is what the owner has."""
    async with library.working():
        for _ in range(3):
            await library.tell(*STORIES)
        await _copied(library)
        telling = asyncio.create_task(_keep_telling(library))
        await library.reader.execute("delete from copy")
        rebuild = await library.request(rate=300)
        verdict = await library.verdict(rebuild)
        told_meanwhile = await library.author.query("select count(*) from story where story_id like 'new-%'")
        await end_tasks(telling)
        await _copied(library)
    [share] = verdict.shares
    assert verdict.is_equal, share
    assert share.applied_aggregates == share.expected_aggregates is not None
    assert told_meanwhile[0][0] > 5
    [streamed] = await library.author.said(RebuildStreamed, rebuild)
    assert streamed.events >= 60
    assert (await library.author.said(RebuildProgressed, rebuild))[-1].sent == streamed.events
    assert await library.depth("reader.copies.dlq") == 0


async def test_a_rebuild_goes_forward_only(library: Library) -> None:
    """What is shown never goes back to an older version: of each story the newest is applied again, alone."""
    async with library.working():
        for _ in range(4):
            await library.tell(*STORIES)
        await _copied(library)
        await library.reader.execute("delete from reading")
        assert (await library.verdict(await library.request())).is_equal
    readings = await library.reader.query("select story_id, version from reading where title <> ''")
    assert sorted(readings) == sorted((story, 4) for story in STORIES)


async def test_a_consumer_that_promises_nothing_hears_nothing(library: Library) -> None:
    async with library.working():
        await library.tell(*STORIES)
        await eventually(partial(_counted, library, 20), describe="20 counted")
        assert (await library.verdict(await library.request())).is_equal
    assert await _counted(library, 20)


async def _counted(library: Library, count: int) -> bool:
    rows = await library.reader.query("select count(*) from reading where title = ''")
    return bool(rows == [(count,)])


async def test_the_rate_is_kept(library: Library) -> None:
    async with library.working():
        for _ in range(5):
            await library.tell(*STORIES)
        await _copied(library)
        [(before,)] = await library.author.query("select clock_timestamp()")
        await library.verdict(rebuild := await library.request(rate=50))
    [streamed] = await library.author.query(
        "select created_at - :before from outbox_event where agg_id = :id and event_type like '%streamed%'",
        id=str(rebuild),
        before=before,
    )
    # 100 events: the first batch of 5 at once, the last 5 have 1.9 s before them. The rate is a bound: how
    # much longer it takes is the machine's affair.
    assert streamed[0] >= timedelta(seconds=1.9)


async def test_without_snapshots_dropped_history_makes_a_difference(library: Library) -> None:
    """History that was dropped with its partition: the verdict says so instead of claiming equality."""
    async with library.working():
        await library.tell(*STORIES)
        await _copied(library)
        await library.author.execute("delete from outbox_event where agg_id in ('story-3', 'story-7')")
        verdict = await library.verdict(await library.request(patience_seconds=1))
    [share] = verdict.shares
    assert not verdict.is_equal
    assert (share.expected_aggregates, share.applied_aggregates, share.unknown_to_owner) == (18, 18, 2)


async def test_what_history_has_dropped_is_restated_by_the_owner(library: Library) -> None:
    """Snapshot events past retention: they are streamed to the one reader, and are history from then on."""
    async with library.working(AUTHOR_SNAPSHOTS):
        await library.tell(*STORIES)
        await library.tell(*STORIES)
        await _copied(library)
        await library.author.execute("delete from outbox_event where agg_id in ('story-3', 'story-7')")
        await library.reader.execute("delete from copy")
        verdict = await library.verdict(await library.request())
        await _copied(library)
        assert verdict.is_equal, verdict.shares
        again = await library.verdict(await library.request())
        assert again.is_equal
    restated = await library.author.query(
        "select agg_id, agg_version from outbox_event where headers ->> 't-restated' = 'yes' order by 1"
    )
    assert restated == [("story-3", 2), ("story-7", 2)]
    assert await _counted(library, 40)


async def test_an_owner_that_was_set_back_is_noticed(library: Library) -> None:
    """Restored from a backup, it knows less than it once said: nothing goes back, and nothing is "equal"."""
    async with library.working():
        await library.tell(*STORIES)
        await library.tell("story-4")
        await _copied(library)
        truth = await library.truth()
        await library.author.execute("delete from outbox_event where agg_id = 'story-4' and agg_version = 2")
        verdict = await library.verdict(await library.request(patience_seconds=1))
    assert not verdict.is_equal
    assert verdict.shares[0].not_handled == 1
    assert await library.copies() == truth


async def test_what_live_events_have_overtaken_counts_as_applied(library: Library) -> None:
    async with library.working():
        await library.tell(*STORIES)
        await _copied(library)
        rebuild = await library.request(rate=5)
        await eventually(partial(_state, library, "streaming"), describe="the stream")
        await library.tell("story-19", title="overtaken")
        await eventually(
            lambda: library.reader.query("select 1 from copy where title = 'overtaken'"),
            describe="it is live",
        )
        assert (await library.verdict(rebuild)).is_equal
    readings = await library.reader.query(
        "select version from reading where story_id = 'story-19' order by id"
    )
    assert readings == [(1,), (2,)]


async def test_a_letter_that_died_makes_the_difference(library: Library) -> None:
    async with library.working():
        await library.tell(*STORIES)
        await library.tell("story-5", title="unreadable")
        await eventually(partial(_dead, library, 1), describe="the live dead letter")
        verdict = await library.verdict(await library.request(patience_seconds=2))
    [share] = verdict.shares
    assert not verdict.is_equal
    assert share.applied_aggregates == share.expected_aggregates == 20
    assert share.applied_checksum != share.expected_checksum
    assert await library.depth("reader.copies.dlq") == 2


async def _dead(library: Library, count: int) -> bool:
    return await library.depth("reader.copies.dlq") == count


async def test_an_owner_that_has_said_nothing_is_equal_to_a_reader_that_heard_nothing(
    library: Library,
) -> None:
    async with library.working():
        verdict = await library.verdict(await library.request(patience_seconds=2))
    assert verdict.is_equal, verdict.shares


async def test_who_writes_while_it_begins_is_waited_for(library: Library) -> None:
    """An id drawn before the last one and committed after it belongs to what is streamed and summed up."""
    async with library.working():
        await library.tell(*STORIES)
        await _copied(library)
        async with library.author.db.transaction() as slow:
            await slow.publish(StoryTold(story_id="slow", title="slow", mood=""), version=1)
            await write_ahead(slow)
            await library.tell("fast")
            rebuild = await library.request()
            await eventually(partial(_state, library, "waiting"), describe="the source waits")
            assert await library.author.said(RebuildStreamed, rebuild) == []
        verdict = await library.verdict(rebuild)
    assert verdict.is_equal, verdict.shares
    assert verdict.shares[0].expected_aggregates == 22


async def test_who_writes_elsewhere_is_not_waited_for(
    library: Library, service_database: Callable[[str], str]
) -> None:
    """Neither in another database of the cluster, nor in this one where no event is appended."""
    stranger = Database.open(
        library.author.settings.model_copy(
            update={"database_url": SecretStr(service_database("threadly_chassis.testing.library"))}
        )
    )
    async with (
        library.working(),
        stranger.transaction() as there,
        library.author.db.transaction() as here,
    ):
        await there.publish(StoryTold(story_id="elsewhere", title="", mood=""), version=1)
        await write_ahead(there)
        await here.session.execute(text("select pg_current_xact_id()"))
        await library.tell(*STORIES)
        await _copied(library)
        verdict = await library.verdict(await library.request())
    await stranger.close()
    assert verdict.is_equal, verdict.shares


async def _state(library: Library, state: str) -> bool:
    return bool(await library.author.query("select state from rebuild_source") == [(state,)])


async def test_timers_are_no_history(library: Library) -> None:
    """A scheduled event that has not come due, or was taken back, was never said."""
    async with library.working():
        await library.tell("now")
        async with library.author.db.transaction() as tx:
            later: Any = StoryTold(story_id="later", title="later", mood="")
            await tx.publish(later, version=1, due_at=datetime.now(UTC) + timedelta(hours=1))
        await _copied(library)
        verdict = await library.verdict(await library.request())
    assert verdict.is_equal
    assert verdict.shares[0].expected_aggregates == 1
    assert [copy[0] for copy in await library.copies()] == ["now"]
