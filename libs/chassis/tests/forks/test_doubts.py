"""Doubting what is being applied at the very moment at which an epoch becomes known."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from threadly_chassis.forks.doubts import doubting
from threadly_chassis.ids import new_id
from threadly_chassis.messaging.context import Context
from threadly_chassis.messaging.inbox import lock_streams, save_streams
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import House, Library
from threadly_chassis.testing.library.setback import claims
from threadly_contracts.operations import EpochBegun

pytestmark = pytest.mark.integration

COPIES = "reader.copies"


async def test_an_event_that_is_applied_while_the_epoch_becomes_known_is_doubted(library: Library) -> None:
    """F29: it is saved before the epoch is noted, and committed after: neither would see the other."""
    async with library.reader.db.transaction() as applying:
        streams = await lock_streams(applying.session, COPIES, [("story", "a")])
        streams["story", "a"].move(0, 1, new_id())
        await save_streams(applying.session, COPIES, streams)
        hearing = asyncio.create_task(_hear_of_the_epoch(library.reader))
        await eventually(lambda: _waits_or_ended(library.reader, hearing), describe="it to wait")
    await hearing
    assert await claims(library) == [("a", False)]


async def _hear_of_the_epoch(reader: House) -> None:
    now = datetime.now(UTC)
    event = EpochBegun(service="author", epoch=1, since=now - timedelta(minutes=1), begun_at=now)
    async with reader.db.transaction() as tx:
        context: Context[Any] = Context(
            deps=None,
            event_id=uuid4(),
            version=1,
            occurred_at=now,
            attempt=1,
            correlation_id="",
            causation_id=None,
            replay_id=None,
            tx=tx,
        )
        await doubting(reader.table)(event, context)


async def _waits_or_ended(reader: House, task: asyncio.Task[None]) -> bool:
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return task.done() or bool(await reader.query(waiting))
