"""A reader whose database was set back asks the owners for what it has heard and forgotten.

It begins before the newest mark that each consumer's inbox still has, so far before that what was waiting for
another try is in it, too. Inbox and gates absorb what was not forgotten. What services tell each other under
operations' name is left out: no log has all of it, and it is repeated by itself or by an operator.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts import owner_of

from ..db import Database
from ..db.epoch import MARGIN_MINUTES
from ..ids import made_at
from ..messaging.forked import is_shared
from ..messaging.ladder import Ladder
from ..messaging.publisher import Publisher
from ..messaging.subscriptions import AnyConsumer
from ..observability.logging import get_logger
from .protocol import CatchUp, CaughtUp

#: Seconds after which an owner that did not answer is asked again.
ASK_AGAIN = 10.0

# On the new server nothing was marked before its epoch was raised; marks of the old one are older, or seem
# younger when its clock was ahead, and then it is begun a little earlier.
_NEWEST_MARK = text("""
select event_id from inbox where consumer = :consumer and applied_at < :raised_at
order by event_id desc limit 1
""")
_PLAN = text("""
insert into inbox_catch_up as c (consumer, owner, since) values (:consumer, :owner, :since)
on conflict (consumer, owner) do update set
    since = case when c.ended_at is null then least(c.since, excluded.since) else excluded.since end,
    position = 0, until = null, asked_at = null, ended_at = null
""")
_ASK = text("""
update inbox_catch_up c set asked_at = clock_timestamp()
from (
    select consumer, owner from inbox_catch_up
    where ended_at is null and consumer = any(cast(:consumers as text[]))
      and coalesce(asked_at, '-infinity') < clock_timestamp() - :again * interval '1 second'
    for update skip locked
) due
where c.consumer = due.consumer and c.owner = due.owner
returning c.consumer, c.owner, c.since, c.position, c.until
""")
_MOVE = text("""
update inbox_catch_up set position = :position, until = :until, asked_at = null,
    ended_at = case when :position >= :until then clock_timestamp() end
where consumer = :consumer and owner = :owner and since = :since and position = :asked and ended_at is null
""")

_log = get_logger(__name__)


class CatchUpWatch:
    """Plans and asks for what one service's consumers have forgotten."""

    def __init__(
        self, consumers: Iterable[AnyConsumer], database: Database, publisher: Publisher, ladder: Ladder
    ) -> None:
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._database = database
        self._publisher = publisher
        waits = sum(step.milliseconds for step in ladder.steps)
        self._margin = timedelta(minutes=MARGIN_MINUTES, milliseconds=waits)

    async def plan(self, session: AsyncSession, raised_at: datetime) -> None:
        """Note, in the transaction that tells of the epoch, what owners are to be asked for."""
        marks = [(name, await _newest(session, name, raised_at)) for name in self._consumers]
        newest = {name: moment for name, moment in marks if moment is not None}
        if not newest:
            return
        for name, consumer in self._consumers.items():
            # One without a mark may have lost its first; it begins where the others do.
            since = newest.get(name, max(newest.values())) - self._margin
            for owner in sorted({event.owner() for event in consumer.handlers if not is_shared(event)}):
                await session.execute(_PLAN, {"consumer": name, "owner": owner, "since": since})

    async def ask(self) -> None:
        """Ask for the next pages that are due. Raises `BROKER_ERRORS`; they are due again then."""
        async with self._database.transaction() as tx:
            values = {"consumers": list(self._consumers), "again": ASK_AGAIN}
            due = (await tx.session.execute(_ASK, values)).all()
        for row in due:
            types = tuple(t for t in self._consumers[row.consumer].event_types if owner_of(t) == row.owner)
            question = CatchUp(
                consumer=row.consumer,
                owner=row.owner,
                types=types,
                since=row.since,
                position=row.position,
                until=row.until,
            )
            await self._publisher.publish_one(question.to(row.owner))

    async def take(self, answer: CaughtUp) -> None:
        """Note how far an owner has come, and ask for the next page at once."""
        async with self._database.transaction() as tx:
            await tx.session.execute(_MOVE, answer.model_dump())
        if answer.position >= answer.until:
            _log.warning("caught up with an owner", consumer=answer.consumer, owner=answer.owner)
        else:
            await self.ask()


async def _newest(session: AsyncSession, consumer: str, raised_at: datetime) -> datetime | None:
    mark: UUID | None = await session.scalar(_NEWEST_MARK, {"consumer": consumer, "raised_at": raised_at})
    return None if mark is None else min(made_at(mark), raised_at)
