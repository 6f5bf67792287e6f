"""The pool: a connection that was cut while it rested is replaced unnoticed, a busy one costs one error."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from threadly_chassis.db import Database, liveness

pytestmark = pytest.mark.integration
Cut = Callable[[], Awaitable[None]]

_PID = text("select pg_backend_pid()")


async def _pid(db: Database) -> int:
    async with db.transaction() as tx:
        return int((await tx.session.execute(_PID)).scalar_one())


async def test_a_cut_connection_that_has_rested_is_replaced_unnoticed(
    db: Database, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "RESTED", 0.0)
    first = await _pid(db)
    assert await _pid(db) == first
    await cut()
    assert await _pid(db) != first


async def test_a_cut_connection_that_was_just_used_costs_one_error_and_the_pool_is_new(
    db: Database, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both connections of the pool are dead; the one error says so for both."""
    monkeypatch.setattr(liveness, "RESTED", 60.0)
    async with db.transaction() as one, db.transaction() as two:
        old = {int((await tx.session.execute(_PID)).scalar_one()) for tx in (one, two)}
    await cut()
    with pytest.raises(OperationalError) as caught:
        await _pid(db)
    assert caught.value.connection_invalidated
    async with db.transaction() as one, db.transaction() as two:
        new = {int((await tx.session.execute(_PID)).scalar_one()) for tx in (one, two)}
    assert len(old) == len(new) == 2
    assert not old & new


async def test_a_reader_who_is_cancelled_leaves_no_connection_that_cannot_write(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg yields to the loop while it makes a connection read-only, when the loop has been busy (F21)."""
    made, set_read_only = asyncio.Event(), psycopg.AsyncConnection.set_read_only

    async def set_and_yield(self: psycopg.AsyncConnection, *value: bool | None) -> None:
        await set_read_only(self, *value)
        made.set()
        await asyncio.Event().wait()

    await _pid(db)
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "set_read_only", set_and_yield)
        reading = asyncio.create_task(_read(db))
        await made.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    async with db.transaction() as tx:
        await tx.session.execute(text("create table written ()"))


async def _read(db: Database) -> None:
    async with db.read():
        pytest.fail("it should have been cancelled before")
