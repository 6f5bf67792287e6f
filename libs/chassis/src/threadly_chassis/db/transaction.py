"""One transaction a request or message; whoever opened it ends it, by `db.commit`."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NewType
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from threadly_contracts import Event

from ..observability.metrics import DOMAIN_EVENTS, EVENTS_APPENDED
from ..outbox import Append, prepare_append
from .commit import commit

#: A session that may only read; a `WriteSession` serves wherever one is asked for, not the reverse.
ReadSession = NewType("ReadSession", AsyncSession)
WriteSession = NewType("WriteSession", ReadSession)

#: A type's counter; looking it up takes longer than counting.
_appended = functools.cache(EVENTS_APPENDED.labels)

_CANCEL = text("delete from outbox_scheduled where cancel_key = :cancel_key returning 1")


class Transaction:
    """What a use case is handed: the session, and the way to publish.

    It cannot commit; whoever opened it does, when the whole request or message has succeeded.
    """

    def __init__(self, session: WriteSession) -> None:
        self.session = session
        #: The events that the commit writes.
        self.appends: list[Append] = []
        self._facts: list[str] = []
        self._afterwards: list[Callable[[], Awaitable[None]]] = []

    async def publish(
        self,
        event: Event,
        *,
        version: int,
        due_at: datetime | None = None,
        cancel_key: str | None = None,
    ) -> UUID:
        """Append an event to the outbox; it is sent once this transaction has committed, or never.

        Returns its id. It is written together with the commit, and is not in the tables before. `version` is
        the aggregate's version that the event announces: raise it in the same transaction, under the
        aggregate's row lock, so that events leave in the order of versions. With `due_at` (aware) the event
        waits until then by the database's clock, and `cancel` takes it back by its `cancel_key`.
        Raises `EventTooLarge` when the body is over 256 KiB or the headers over 16 KiB, and Pydantic's
        `ValidationError` for an event that was built around validation.
        """
        append = prepare_append(event, version=version, due_at=due_at, cancel_key=cancel_key)
        self.appends.append(append)
        return append.event_id

    async def cancel(self, cancel_key: str) -> int:
        """Take back the scheduled events of a key that are not yet due; returns how many there were."""
        kept = [append for append in self.appends if append.cancel_key != cancel_key]
        mine, self.appends = len(self.appends) - len(kept), kept
        return mine + len((await self.session.execute(_CANCEL, {"cancel_key": cancel_key})).all())

    def count(self, fact: str) -> None:
        """Count a business fact (`threadly_domain_total`) once this transaction has committed."""
        self._facts.append(fact)

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` once this transaction has committed, before the request is answered; never otherwise.

        For what may be lost: a crash in between loses it, and an error in it is reported, not raised, because
        the commit stands. What must happen is an event. The works run in the order of their registration.
        """
        self._afterwards.append(work)

    async def run_after_commit(self) -> None:
        """Count what was published and run what was registered; for whoever committed."""
        for append in self.appends:
            _appended(append.event_type).inc()
        for fact in self._facts:
            DOMAIN_EVENTS.labels(fact).inc()
        if not self._afterwards:
            return
        # Sentry's SDK takes 0.3 s to import: not for commands that only use the database.
        from ..observability.errors import capture  # noqa: PLC0415 - as above

        for work in self._afterwards:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the boundary: the commit stands, whatever follows it
                capture(error, kind="after_commit")


@asynccontextmanager
async def transaction(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[Transaction]:
    """Open a transaction that commits when the block ends well and rolls back when it does not."""
    async with sessions() as session:
        tx = Transaction(WriteSession(ReadSession(session)))
        try:
            yield tx
        except BaseException:
            await session.rollback()
            raise
        await commit(session, tx.appends)
