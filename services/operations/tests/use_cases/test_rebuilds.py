"""Rebuilds from the operators' side: asked for, followed, waited for on the command line."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from threadly_chassis.schedules import Schedules
from threadly_chassis.testing import eventually
from threadly_chassis.testing.handlers import run_handler
from threadly_chassis.testing.library.harness import Library, open_library
from threadly_chassis.worker import Worker
from threadly_contracts.operations import (
    RebuildApplied,
    RebuildBegun,
    RebuildProgressed,
    RebuildRefused,
    RebuildShare,
)
from threadly_operations.cli import app as threadly
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.domain.rebuild import RebuildStatus, compared
from threadly_operations.settings import OperationsSettings
from threadly_operations.storage import rebuilds
from threadly_operations.storage.rebuilds import RebuildView
from threadly_operations.subscriptions import SUBSCRIPTIONS
from threadly_operations.use_cases.abandon_rebuild import abandon_rebuild
from threadly_operations.use_cases.follow_rebuild import (
    note_applied,
    note_begun,
    note_progress,
    note_refused,
)
from threadly_operations.use_cases.request_rebuild import (
    RebuildUnderWay,
    UnknownConsumer,
    Wish,
    request_rebuild,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SORTER = "shelf.sorter"
EQUAL = RebuildShare(
    service="shelf",
    expected_aggregates=3,
    expected_checksum="7",
    applied_aggregates=3,
    applied_checksum="7",
    not_handled=0,
    unknown_to_owner=0,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "equal, 3 aggregates"),
        ({"applied_aggregates": 2}, "2 of 3 aggregates were applied"),
        ({"applied_checksum": "8"}, "some aggregates are not at their newest version"),
        ({"not_handled": 1}, "1 stood at a newer version than their owner has"),
        ({"unknown_to_owner": 2}, "2 the owner's history no longer knows"),
        ({"expected_aggregates": None, "expected_checksum": None}, "has not said what it sent"),
    ],
)
def test_a_comparison_says_in_which_way_it_differs(changes: dict[str, Any], words: str) -> None:
    assert compared(EQUAL.model_copy(update=changes)) == words


async def _request(deps: OperationsDeps, consumer: str = SORTER) -> UUID:
    async with deps.db.transaction() as tx:
        return await request_rebuild(tx, Wish(consumer), clock=deps.clock, actor="cli:olga")


async def _view(deps: OperationsDeps, rebuild_id: UUID) -> RebuildView:
    async with deps.db.read() as session:
        view = await rebuilds.view(session, rebuild_id)
    assert view is not None
    return view


def _begun(rebuild_id: UUID) -> RebuildBegun:
    return RebuildBegun(
        rebuild_id=rebuild_id,
        consumer=SORTER,
        owners=("attic", "shelf"),
        event_types=("threadly.attic.box_filled.v1", "threadly.shelf.book_added.v1"),
        rate=500,
        begun_at=NOW,
    )


def _applied(rebuild_id: UUID) -> RebuildApplied:
    return RebuildApplied(
        rebuild_id=rebuild_id, consumer=SORTER, is_equal=True, shares=(EQUAL,), applied_at=NOW
    )


@pytest.mark.integration
async def test_it_is_followed_and_late_news_changes_nothing(deps: OperationsDeps) -> None:
    rebuild = await _request(deps)
    assert (await _view(deps, rebuild)).rebuild.requested_by == "cli:olga"
    await run_handler(note_begun, _begun(rebuild), deps)
    for sent in (20, 10):
        progress = RebuildProgressed(rebuild_id=rebuild, service="shelf", sent=sent, total=30)
        await run_handler(note_progress, progress, deps)
    view = await _view(deps, rebuild)
    assert view.rebuild.status == RebuildStatus.RUNNING
    assert [(p.service, p.sent, p.total) for p in view.parts] == [("attic", 0, None), ("shelf", 20, 30)]
    await run_handler(note_applied, _applied(rebuild), deps)
    await run_handler(note_begun, _begun(rebuild), deps)
    refused = RebuildRefused(rebuild_id=rebuild, consumer=SORTER, reason="late", refused_at=NOW)
    await run_handler(note_refused, refused, deps)
    view = await _view(deps, rebuild)
    assert (view.rebuild.status, view.rebuild.reason) == (RebuildStatus.EQUAL, "")
    assert [part.verdict for part in view.parts] == ["", "equal, 3 aggregates"]


@pytest.mark.integration
async def test_one_at_a_time_and_of_known_readers(deps: OperationsDeps) -> None:
    with pytest.raises(UnknownConsumer, match=r"No worker runs shelf\.sorted\. Did you mean shelf\.sorter\?"):
        await _request(deps, "shelf.sorted")
    first, second = await asyncio.gather(_request(deps), _request(deps), return_exceptions=True)
    assert sorted([isinstance(first, RebuildUnderWay), isinstance(second, RebuildUnderWay)]) == [False, True]
    async with deps.db.transaction() as tx:
        abandoned = await abandon_rebuild(tx, SORTER, clock=deps.clock, actor="cli:olga")
    assert (await _view(deps, abandoned)).rebuild.status == RebuildStatus.ABANDONED
    assert await _request(deps) != abandoned


@pytest.fixture
async def library(
    settings: OperationsSettings, service_database: Callable[[str], str]
) -> AsyncIterator[Library]:
    """An author and a reader on operations' broker."""
    async with open_library(service_database, settings.amqp_url.get_secret_value()) as library:
        yield library


@pytest.fixture
async def threadly_says(
    deps: OperationsDeps, settings: OperationsSettings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[Result]]]:
    """Run a command of `threadly`, with operations' worker at work."""
    for name in ("database_url", "amqp_url", "redis_url"):
        monkeypatch.setenv(f"THREADLY_OPERATIONS_{name.upper()}", getattr(settings, name).get_secret_value())

    async def run(*arguments: str) -> Result:
        # A thread of its own, because the command brings its own event loop.
        return await asyncio.to_thread(CliRunner().invoke, threadly, list(arguments))

    deaths: list[BaseException] = []
    async with Worker(settings, deps, SUBSCRIPTIONS, Schedules(), deaths.append) as worker:
        await eventually(
            lambda: all(runner.is_consuming for runner in worker.consumers), describe="all consumers"
        )
        yield run
    assert deaths == []


async def _is_known(deps: OperationsDeps, consumer: str) -> bool:
    async with deps.db.read() as session:
        return consumer in await rebuilds.known_consumers(session)


@pytest.mark.integration
async def test_the_command_refills_a_reader_and_says_so(
    library: Library, deps: OperationsDeps, threadly_says: Callable[..., Awaitable[Result]]
) -> None:
    """The whole way: operations, reader, owner, reader, operations."""
    async with library.working():
        await library.tell("a", "b", "c")
        await eventually(library.in_step, describe="the copies")
        await eventually(partial(_is_known, deps, "reader.copies"), describe="the reader is known")
        await library.reader.execute("delete from copy")
        answer = await threadly_says("rebuild", "reader.copies", "--rate", "300", "--wait", "60")
        assert answer.exit_code == 0, answer.output
        assert "author equal, 3 aggregates" in answer.output
        assert answer.output.endswith("equal\n")
        assert await library.in_step()
        await library.author.execute("delete from outbox_event where agg_id = 'b'")
        answer = await threadly_says("rebuild", "reader.copies", "--patience", "1", "--wait", "60")
        assert answer.exit_code == 1
        assert "1 the owner's history no longer knows" in answer.output
        assert "threadly: different" in answer.output
        answer = await threadly_says("rebuild", "reader.counter", "--wait", "60")
        assert answer.exit_code == 1
        assert "threadly: refused: it is not rebuildable" in answer.output
        answer = await threadly_says("rebuilds")
        assert re.findall(r" (refused|different|equal) ", answer.output) == ["refused", "different", "equal"]
        assert (await threadly_says("rebuild", "reader.copy")).output.startswith("threadly: There is no such")


@pytest.mark.integration
async def test_an_owner_that_is_away_is_waited_for_until_it_is_abandoned(
    library: Library, deps: OperationsDeps, threadly_says: Callable[..., Awaitable[Result]]
) -> None:
    async with library.reader.working():
        await eventually(partial(_is_known, deps, "reader.copies"), describe="the reader is known")
        answer = await threadly_says("rebuild", "reader.copies", "--wait", "3")
        assert answer.exit_code == 1
        assert "author 0/?" in answer.output
        assert "not ended after 3 s" in answer.output
        answer = await threadly_says("rebuild", "reader.copies")
        assert "It is being rebuilt already" in answer.output
        assert (await threadly_says("rebuild", "reader.copies", "--abandon")).exit_code == 0
        async with library.author.working():
            answer = await threadly_says("rebuild", "reader.copies", "--wait", "60")
    assert answer.exit_code == 0, answer.output
