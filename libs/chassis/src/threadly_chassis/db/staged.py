"""A database on which nothing lasts: every transaction of it is a savepoint of one that is rolled back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from .transaction import ReadSession, Transaction, WriteSession

#: Live traffic holds row locks for milliseconds; whoever rehearses gives way rather than wait in its queue.
_LOCK_TIMEOUT_MS = 500
_NO_LONG_WAIT = text(f"set local lock_timeout = {_LOCK_TIMEOUT_MS}")
_READ_ONLY = text("set local transaction_read_only = on")
_AS_A_COMMIT_DOES = text("set constraints all immediate")
# What was done in a savepoint counts as well. Connections report a transaction's counts when it is over, but
# not more often than once a second: what earlier ones did is still in here.
_WRITTEN = text(
    "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_xact_user_tables "
    "where n_tup_ins + n_tup_upd + n_tup_del > 0"
)


class Written(NamedTuple):
    """How many rows of a table were written."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def since(self, before: "Written") -> "Written":
        """How many more these are than those before."""
        return Written(*(now - then for now, then in zip(self, before, strict=True)))


class Announced(NamedTuple):
    """An event that would be published."""

    type: str
    subject: str
    version: int


class StagedDatabase:
    """What `Database` is to a handler, except that nothing is committed, sent, counted or done afterwards.

    There is no engine to go past it by. Its transactions see each other's writes, and nobody else does.
    `events` are what they would have published.
    """

    def __init__(self, connection: AsyncConnection, before: dict[str, Written]) -> None:
        self._connection = connection
        self._before = before
        self._sessions = async_sessionmaker(
            connection,
            class_=AsyncSession,
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
        )
        self.events: list[Announced] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open what a handler takes for a transaction; the next one sees its writes when it ended well."""
        async with self._sessions() as session:
            tx = Transaction(WriteSession(ReadSession(session)))
            yield tx
            await session.commit()  # of its savepoint
        self.events += [Announced(each.event_type, each.subject, each.version) for each in tx.appends]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a block in which a write is refused, as `Database.read` does."""
        async with self._sessions() as session:
            await session.execute(_READ_ONLY)
            yield ReadSession(session)

    async def check_constraints(self) -> None:
        """Check what a commit would have checked; raises `DBAPIError` as that does."""
        await self._connection.execute(_AS_A_COMMIT_DOES)

    async def written(self) -> dict[str, Written]:
        """The rows written on this stage by table, those of a savepoint that failed included."""
        before, nothing = self._before, Written()
        found = sorted((await _written(self._connection)).items())
        here = {table: rows.since(before.get(table, nothing)) for table, rows in found}
        return {table: rows for table, rows in here.items() if any(rows)}


@asynccontextmanager
async def staged(engine: AsyncEngine) -> AsyncIterator[StagedDatabase]:
    """Open a stage over a service's database; whatever happens on it, it is rolled back.

    Only sequences stay where they were advanced to. A row lock that live traffic holds is waited for half a
    second (SQLSTATE 55P03).
    """
    async with engine.connect() as connection:
        outermost = await connection.begin()
        try:
            await connection.execute(_NO_LONG_WAIT)
            yield StagedDatabase(connection, await _written(connection))
        finally:
            await outermost.rollback()


async def _written(connection: AsyncConnection) -> dict[str, Written]:
    rows = await connection.execute(_WRITTEN)
    return {row.relname: Written(row.n_tup_ins, row.n_tup_upd, row.n_tup_del) for row in rows}
