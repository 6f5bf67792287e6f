"""Who stops while his commit waits for a standby does not call the waiting off (ADR 24)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest
from sqlalchemy import text

from threadly_chassis.db import Database, pipeline
from threadly_chassis.testing.database import query
from threadly_chassis.testing.postgres import clone, ensure_template
from threadly_chassis.testing.specimen.harness import SPECIMEN
from threadly_chassis.testing.specimen.load import patiently
from threadly_chassis.testing.specimen.service import write_note
from threadly_embedded.breakable import BreakablePostgres, breakable_postgres

pytestmark = pytest.mark.integration

_NOTE = text("insert into note (note_id, version) values (:note, 1)")


@pytest.fixture
async def server(server_folder: Path) -> AsyncIterator[BreakablePostgres]:
    async with breakable_postgres(server_folder) as server:
        yield server


async def _wait_for(server: BreakablePostgres, standby: str) -> None:
    """Let commits wait for a standby of this name; for none when it is empty."""
    await asyncio.to_thread(server.server.hold_commits_for, standby)


async def _write(db: Database, note: str) -> None:
    async with db.transaction() as tx:
        await write_note(tx, note)


async def _note_only(db: Database, note: str) -> None:
    async with db.transaction() as tx:
        await tx.session.execute(_NOTE, {"note": note})


async def _notes(db: Database) -> list[str]:
    return [row["note_id"] for row in await query(db, "select note_id from note order by xmin::text::bigint")]


async def _waits(db: Database) -> bool:
    return bool(await query(db, "select from pg_stat_activity where wait_event = 'SyncRep'"))


@pytest.mark.parametrize("write", [_write, _note_only], ids=["with an event", "without"])
@pytest.mark.parametrize("grace", [0.2, 60.0], ids=["without an answer", "cancelled again"])
async def test_f29_a_cancelled_commit_stays_unseen_until_its_standby_has_it(
    server: BreakablePostgres,
    grace: float,
    write: Callable[[Database, str], Coroutine[object, object, None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F29, R-SYS-10: a cancel request would show it, to the relay as well; a promotion would take it back."""
    monkeypatch.setattr(pipeline, "GRACE", grace)
    admin = server.server.admin_url
    url = clone(admin, ensure_template(admin, SPECIMEN))
    writer, reader = Database.at(url, pool_size=1), Database.at(url, pool_size=1)
    try:
        await write(writer, "answered")
        await _wait_for(server, "nobody")
        committing = asyncio.create_task(write(writer, "cancelled"))
        await patiently(lambda: _waits(reader), describe="the commit to wait for its standby")
        committing.cancel()
        if grace > 1:
            committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing
        assert await _waits(reader)
        assert await _notes(reader) == ["answered"]
        await _wait_for(server, "")
        await patiently(lambda: _has(reader, 2), describe="the commit, once nobody is waited for")
    finally:
        await writer.close()
        await reader.close()


async def _has(db: Database, count: int) -> bool:
    return len(await _notes(db)) == count
