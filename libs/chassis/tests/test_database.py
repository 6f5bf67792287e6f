"""The pool: a connection that was cut while it rested is replaced unnoticed, a busy one costs one error."""

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from threadly_chassis.db import Database, liveness

pytestmark = pytest.mark.integration

_PID = text("select pg_backend_pid()")


@pytest.fixture
async def url(service_database: Callable[[str], str]) -> str:
    return service_database("threadly_chassis.testing.specimen")


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = Database.at(url, pool_size=2)
    yield db
    await db.close()


async def _pid(db: Database) -> int:
    async with db.transaction() as tx:
        return int((await tx.session.execute(_PID)).scalar_one())


async def _cut(url: str) -> None:
    """What a restart of the server does to every connection."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


async def test_a_cut_connection_that_has_rested_is_replaced_unnoticed(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "RESTED", 0.0)
    first = await _pid(db)
    assert await _pid(db) == first
    await _cut(url)
    assert await _pid(db) != first


async def test_a_cut_connection_that_was_just_used_costs_one_error_and_the_pool_is_new(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both connections of the pool are dead; the one error says so for both."""
    monkeypatch.setattr(liveness, "RESTED", 60.0)
    async with db.transaction() as one, db.transaction() as two:
        old = {int((await tx.session.execute(_PID)).scalar_one()) for tx in (one, two)}
    await _cut(url)
    with pytest.raises(OperationalError) as caught:
        await _pid(db)
    assert caught.value.connection_invalidated
    async with db.transaction() as one, db.transaction() as two:
        new = {int((await tx.session.execute(_PID)).scalar_one()) for tx in (one, two)}
    assert len(old) == len(new) == 2
    assert not old & new
