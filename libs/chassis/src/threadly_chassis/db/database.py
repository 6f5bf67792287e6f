"""The door to a service's database."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from ..settings import ServiceSettings
from . import dialect
from .epoch import keep_epoch
from .instrument import count_queries
from .liveness import ask_rested
from .transaction import ReadSession, Transaction, transaction


def driver_url(url: str) -> str:
    """Name SQLAlchemy's psycopg driver in a plain `postgresql://` URL, as providers hand them out."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgresql", "postgres"} else url


class Database:
    """One pool of connections to one service's database.

    `on_publish` is called after each commit that appended to the outbox; the outbox's notifier hooks in
    there, so that the relay wakes within milliseconds without a NOTIFY inside the transaction (which
    would serialise commits: 2.6 times slower at 8 clients).
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.on_publish: Callable[[], None] | None = None
        self._sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
        count_queries(engine.sync_engine)
        ask_rested(engine.sync_engine)
        keep_epoch(engine.sync_engine)

    @classmethod
    def open(cls, settings: ServiceSettings) -> Self:
        """Make the pool; connections are opened when first needed."""
        return cls.at(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)

    @classmethod
    def at(cls, url: str, *, pool_size: int = 8) -> Self:
        """Make the pool for a URL."""
        engine = create_async_engine(
            make_url(driver_url(url)).set(drivername=f"postgresql+{dialect.NAME}"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            connect_args={"connect_timeout": 10},
        )
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction; it commits when the block ends well, and then runs its `after_commit` works.

        They run when the connection is back in the pool and the relay has been woken.
        """
        async with transaction(self._sessions) as tx:
            yield tx
        if tx.appends and self.on_publish:
            self.on_publish()
        await tx.run_after_commit()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read-only transaction: a write in it is refused by PostgreSQL."""
        async with self._sessions() as session:
            await session.connection(execution_options={"postgresql_readonly": True})
            yield ReadSession(session)

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))
