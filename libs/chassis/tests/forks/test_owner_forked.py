"""An owner that was set back: its readers find out what it does not know any more, and are healed (F29)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from threadly_chassis.forks import claims as claiming
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.setback import (
    begin_timeline,
    claims,
    counted,
    deliver,
    message_of,
    purge,
    save,
    set_back,
)

pytestmark = pytest.mark.integration

COPIES = "reader.copies"
#: Of what was restated: is it still said to have happened, and in whose course, as the original was?
_AS_IT_WAS = """
select (again.headers ->> 'cloudEvents:time')::timestamptz = first.created_at,
       again.headers ->> 'cloudEvents:correlationid' = first.event_id::text
from outbox_event again join outbox_event first using (agg_id, agg_version)
where again.headers ? 't-restated' and not first.headers ? 't-restated'
"""


def _outcomes(outcome: str) -> float:
    return counted("threadly_consumed_total", consumer=COPIES, outcome=outcome)


async def _in_step(library: Library) -> None:
    await eventually(library.in_step, describe="the reader in step with the author")


async def _settled(library: Library) -> None:
    """The reader has heard of the epoch, and doubts nothing."""

    async def nothing_in_doubt() -> bool:
        heard = await library.reader.query("select epoch from inbox_epoch")
        return bool(heard) and await claims(library) == []

    await eventually(nothing_in_doubt, describe="nothing in doubt")


async def _said_before_and_lost(library: Library, before: Iterable[str], lost: Iterable[str]) -> None:
    """Both are told and copied; then the author does not know the latter any more."""
    async with library.working():
        await library.tell(*before)
        await _in_step(library)
        await save(library.author)
        await library.tell(*lost)
        await _in_step(library)
    await set_back(library.author)


async def test_what_nobody_touches_again_is_healed(library: Library) -> None:
    await _said_before_and_lost(library, ["a", "b", "c"], ["a", "a", "b"])
    truth, copies = await library.truth(), await library.copies()
    assert truth != copies
    forked = _outcomes("forked")
    async with library.working():
        await _in_step(library)
        await _settled(library)
    assert await library.truth() == truth
    assert _outcomes("forked") == forked + 2
    assert await library.author.query(_AS_IT_WAS) == [(True, True), (True, True)]
    # The owner's next word is the next version, and nobody's inbox or gate is in its way.
    async with library.working():
        await library.tell("a", "b", "c")
        await _in_step(library)
    assert [version for _, version, _ in await library.copies()] == [2, 2, 2]


async def test_an_event_of_the_new_epoch_wins_over_erased_ones_of_higher_versions(library: Library) -> None:
    await _said_before_and_lost(library, ["a"], ["a", "a", "a"])
    forked = _outcomes("forked")
    await library.tell("a", title="what is true")
    async with library.working():
        await _in_step(library)
        await _settled(library)
    assert await library.copies() == [("a", 2, "what is true")]
    assert _outcomes("forked") == forked + 1


async def test_after_a_safe_promotion_all_is_known_and_nothing_is_applied_again(library: Library) -> None:
    async with library.working():
        await library.tell("a", "b", "a")
        await _in_step(library)
    readings = await library.reader.query("select * from reading order by id")
    await begin_timeline(library.author)
    forked = _outcomes("forked")
    async with library.working():
        await _settled(library)
        assert await library.reader.query("select * from reading order by id") == readings
        await library.tell("a")
        await _in_step(library)
    assert _outcomes("forked") == forked
    streams = await library.reader.query(
        "select epoch from inbox_stream where agg_id in ('a', 'b') order by 1"
    )
    assert streams[0] == (0,) < streams[1]


async def test_an_aggregate_that_only_the_lost_part_knew_is_shown_to_operators(library: Library) -> None:
    """Nobody can say how it stands; the row goes when an event of it comes after all."""
    await _said_before_and_lost(library, ["a"], ["born"])
    async with library.working():
        await eventually(partial(_orphans, library, [("born", True)]), describe="the orphan")
        await eventually(
            lambda: counted("threadly_streams_orphaned", consumer=COPIES) == 1, describe="the alarm"
        )
        assert counted("threadly_errors_total", kind="fork", name="Orphaned") >= 1
        await library.tell("born")
        await _in_step(library)
        await _settled(library)


async def _orphans(library: Library, expected: list[Any]) -> bool:
    found = await claims(library)
    if found != expected:
        raise AssertionError(found)
    return True


async def test_an_erased_event_that_comes_late_is_found_out_too(library: Library) -> None:
    """It lay in a queue or waited for its next try while the reader heard of the epoch."""
    async with library.working():
        await library.tell("a")
        await _in_step(library)
        await save(library.author)
    await library.tell("a", title="erased")
    late = await message_of(library.author, "a", COPIES)
    await set_back(library.author)
    async with library.working():
        await _settled(library)
        applied = _outcomes("applied")
        forked = _outcomes("forked")
        await deliver(library, late)
        await eventually(lambda: _outcomes("applied") == applied + 1, describe="the late one applied")
        await eventually(lambda: _outcomes("forked") == forked + 1, describe="it is replaced")
        await _in_step(library)
        await _settled(library)


async def test_what_was_said_long_before_the_fork_is_not_asked_about(library: Library) -> None:
    async with library.working():
        await library.tell("old", "new")
        await _in_step(library)
    # As if "old" were from 1970, and its event long forgotten by the author's log.
    old = "update {0} set {1} = '00000000-0000-7000-8000-000000000000' where agg_id = 'old'"
    await library.reader.execute(old.format("inbox_stream", "last_event_id"))
    await begin_timeline(library.author)
    async with library.working():
        await _settled(library)
        assert await library.copies() == await library.truth()
    assert await library.author.query("select 1 from outbox_event where headers ? 't-restated'") == []


async def test_who_gets_no_answer_asks_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are at most once: the first of these is lost."""
    monkeypatch.setattr(claiming, "ASK_AGAIN", 0.5)
    await _said_before_and_lost(library, ["a"], ["a"])
    async with library.author.working():
        await eventually(
            lambda: library.author.query(
                "select 1 from outbox_epoch where epoch > 0 and announced_at is not null"
            ),
            describe="the announcement",
        )
        await eventually(partial(_pending, library), describe="it is sent")
    async with library.reader.working():
        await eventually(partial(_asked, library), describe="the question")
        await eventually(lambda: purge(library, "author.resend"), describe="its loss")
        async with library.author.working():
            await _in_step(library)
            await _settled(library)


async def _pending(library: Library) -> bool:
    return await library.author.query("select 1 from outbox_pending") == []


async def _asked(library: Library) -> bool:
    return bool(await library.reader.query("select 1 from inbox_claim where asked_at is not null"))


async def test_within_one_epoch_a_second_event_of_a_version_is_an_alarm_and_changes_nothing(
    library: Library,
) -> None:
    """A volume's snapshot was put back: nothing tells the service that it lives a second time."""
    await _said_before_and_lost(library, ["a"], ["a"])
    copies = await library.copies()
    await library.author.execute("update outbox_epoch set epoch = 0, announced_at = raised_at")
    await library.author.db.engine.dispose()
    taken = _outcomes("version-taken")
    async with library.working():
        await library.tell("a")
        await eventually(lambda: _outcomes("version-taken") == taken + 1, describe="the alarm")
        assert await library.copies() == copies
    # The runbook's way out: the epoch is raised by hand.
    await begin_timeline(library.author)
    async with library.working():
        await _in_step(library)


async def test_a_rebuild_after_the_healing_finds_owner_and_reader_equal(library: Library) -> None:
    await _said_before_and_lost(library, ["a", "b"], ["a"])
    async with library.working():
        await _in_step(library)
        verdict = await library.verdict(await library.request())
    assert verdict.is_equal, verdict.shares
