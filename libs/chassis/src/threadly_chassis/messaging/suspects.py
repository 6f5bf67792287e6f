"""Crash loops: the message that takes the process down is found, and only that one is given up.

The broker raises the delivery count of everything that was in hand when a process died, so a count of two
only makes a suspect. Suspects are handled one at a time in the whole process, each after a start marker has
been committed; a marker that is still there after `MAX_STARTS` starts names the guilty one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from ..db import Database
from ..errors import Permanent
from . import headers as h
from .delivery import Delivery

#: Two crashes with the message in hand. It was among up to 256 others then.
SUSPECT_DELIVERIES = 2
#: Two crashes in hand and three alone: a crash loop ends at the fifth death of the process.
MAX_STARTS = 3

_BEGIN = text("""
insert into consumer_start (consumer, message_id, starts) values (:consumer, :message_id, 1)
on conflict (consumer, message_id) do update
    set starts = consumer_start.starts + 1, started_at = clock_timestamp()
returning starts
""")
_END = text("delete from consumer_start where consumer = :consumer and message_id = :message_id")


class CrashLoop(Permanent):
    """The process died each time it handled this message."""

    code = "crash-loop"


def is_suspect(delivery: Delivery) -> bool:
    """Whether processes died with this message in hand so often that it may be why."""
    count = delivery.headers.get(h.DELIVERY_COUNT, 0)
    return isinstance(count, int) and count >= SUSPECT_DELIVERIES


def message_id_of(delivery: Delivery) -> str:
    """What a message is known by: the event's id, or the message's own when there is none."""
    return str(delivery.headers.get(h.CE_ID) or delivery.message.message_id or "")


class Suspects:
    """Handles suspects one at a time; one for all consumers of a process, which die together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._alone = asyncio.Lock()
        #: Begun by this process, which lives: a second beginning (the database was away) is no second start.
        self._begun: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def handling(self, consumer: str, delivery: Delivery) -> AsyncIterator[None]:
        """Surround the handling of a suspect, to its very end.

        Raises `CrashLoop` when it was begun `MAX_STARTS` times and ended never, or what the database raises.
        """
        async with self._alone:
            await self._begin(consumer, message_id_of(delivery))
            try:
                yield
            finally:
                # Also when it was broken off: only a death leaves the marker behind.
                await self.end(consumer, delivery)

    async def _begin(self, consumer: str, message_id: str) -> None:
        if (consumer, message_id) in self._begun:
            return
        async with self._database.transaction() as tx:
            marker = {"consumer": consumer, "message_id": message_id}
            starts = int((await tx.session.execute(_BEGIN, marker)).scalar_one())
        if starts > MAX_STARTS:
            raise CrashLoop(f"begun {starts - 1} times, and the process died each time")
        self._begun.add((consumer, message_id))

    async def end(self, consumer: str, delivery: Delivery) -> None:
        """Take the marker away: the message came to its end, or to its next wait."""
        message_id = message_id_of(delivery)
        async with self._database.transaction() as tx:
            await tx.session.execute(_END, {"consumer": consumer, "message_id": message_id})
        self._begun.discard((consumer, message_id))
