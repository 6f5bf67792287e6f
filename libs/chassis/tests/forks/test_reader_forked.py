"""A reader that was set back: what it had acknowledged and has forgotten is sent to it again (F29)."""

from typing import Any

import pytest

from threadly_chassis.forks import catching_up, owner
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.setback import begin_timeline, counted, purge, save, set_back

pytestmark = pytest.mark.integration

COPIES, COUNTER = "reader.copies", "reader.counter"
_COUNTED = "select substr(story_id, 9), version from reading where title = '' order by 1, 2"


async def _caught_up(library: Library) -> None:
    async def nothing_behind() -> bool:
        rows = await library.reader.query("select ended_at is not null from inbox_catch_up")
        return bool(rows) and all(ended for (ended,) in rows)

    await eventually(nothing_behind, describe="nothing to catch up with")


async def _counts(library: Library, *expected: tuple[Any, ...]) -> None:
    async def counted_exactly() -> bool:
        found = await library.reader.query(_COUNTED)
        if found != list(expected):
            raise AssertionError(found)
        return True

    await eventually(counted_exactly, describe="what the consumer without a gate has counted")


async def _heard_and_forgotten(library: Library) -> None:
    async with library.working():
        await library.tell("a", "b")
        await eventually(library.in_step, describe="the reader in step")
        await _counts(library, ("a", 1), ("b", 1))
        await save(library.reader)
        await library.tell("b", "c", "c")
        await eventually(library.in_step, describe="the reader in step")
        await _counts(library, ("a", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2))
    await set_back(library.reader)
    assert await library.copies() != await library.truth()


async def test_each_consumer_gets_again_what_it_has_forgotten_and_nothing_twice(library: Library) -> None:
    await _heard_and_forgotten(library)
    async with library.working():
        await eventually(library.in_step, describe="the reader in step")
        await _counts(library, ("a", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2))
        await _caught_up(library)
    assert await library.reader.query(_COUNTED) == [("a", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2)]


async def test_in_pages(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "PAGE", 2)
    await _heard_and_forgotten(library)
    async with library.working():
        await _caught_up(library)
        await _counts(library, ("a", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2))
        await eventually(library.in_step, describe="the reader in step")


async def test_it_asks_again_until_it_is_answered(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "ASK_AGAIN", 0.5)
    await _heard_and_forgotten(library)
    async with library.reader.working():
        await eventually(lambda: purge(library, "author.resend"), describe="the loss of the question")
        async with library.author.working():
            await _caught_up(library)
            await _counts(library, ("a", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2))


async def test_it_begins_where_its_inbox_ends(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at the beginning of the log: what was applied long before is not even sent."""
    async with library.working():
        await library.tell("old")
        await library.author.execute("update outbox_event set created_at = created_at - interval '1 day'")
        await library.tell("a")
        await eventually(library.in_step, describe="the reader in step")
        await _counts(library, ("a", 1), ("old", 1))
    await begin_timeline(library.reader)
    sent = counted("threadly_outbox_resent_total", consumer=COUNTER)
    async with library.working():
        await _caught_up(library)
    assert counted("threadly_outbox_resent_total", consumer=COUNTER) == sent + 1
    assert await library.reader.query(_COUNTED) == [("a", 1), ("old", 1)]


async def test_a_new_service_has_nothing_to_catch_up_with(library: Library) -> None:
    await library.tell("a")
    await begin_timeline(library.reader)
    async with library.reader.working():
        await eventually(
            lambda: library.reader.query(
                "select 1 from outbox_epoch where epoch > 0 and announced_at is not null"
            ),
            describe="the epoch announced",
        )
    assert await library.reader.query("select * from inbox_catch_up") == []
