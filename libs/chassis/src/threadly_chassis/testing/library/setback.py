"""Houses of the library whose databases are set back, as the promotion of a standby that lagged does it."""

from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import text

from ...messaging.publisher import Outgoing, Publisher
from ...outbox.message import to_message
from ...outbox.store import ROW_COLUMNS, OutboxRow
from .harness import House, Library

#: What a set-back takes from a house: what its use cases, its handlers and its worker have written.
_TABLES = ("story", "copy", "reading", "outbox_event", "outbox_pending", "inbox", "inbox_stream")
_NEWEST = f"""
select {ROW_COLUMNS} from outbox_event e where e.agg_id = :story order by e.id desc limit 1
"""  # noqa: S608 - a constant of the outbox


async def save(house: House) -> None:
    """Keep the house's data as they are now: what its standby has received."""
    await house.execute("create schema standby")
    for table in _TABLES:
        await house.execute(f"create table standby.{table} as table {table}")


async def set_back(house: House) -> None:
    """Put the house back to where it was saved, on a server with the next timeline.

    Its worker must not run. What it has said since is on the wire, in queues, and with its readers.
    """
    async with house.db.transaction() as tx:
        for table in _TABLES:
            await tx.session.execute(text(f"delete from {table}"))  # noqa: S608 - ours
            await tx.session.execute(
                text(f"insert into {table} overriding system value table standby.{table}")
            )
    await begin_timeline(house)


async def begin_timeline(house: House) -> None:
    """Let the house's next connection find another timeline than the one of its data."""
    await house.execute("update outbox_epoch set timeline = timeline - 1")
    await house.db.engine.dispose()


async def message_of(house: House, story: str, consumer: str) -> Outgoing:
    """The newest event of a story as it would come to one consumer."""
    [row] = await house.query(_NEWEST, story=story)
    return to_message(OutboxRow(*row))._replace(exchange="", routing_key=consumer)


async def deliver(library: Library, message: Outgoing) -> None:
    """Bring a message to its queue, late."""
    await Publisher(library.broker).publish([message])


def counted(name: str, /, **labels: str) -> float:
    """A metric's value in this process, 0 when it was never touched."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def claims(library: Library) -> list[tuple[Any, ...]]:
    """What the reader doubts: (story, whether nobody knows it)."""
    return await library.reader.query("select agg_id, is_orphan from inbox_claim order by 1")


async def purge(library: Library, queue: str) -> int:
    """Lose what is ready in a queue; returns how much that was."""
    connection = await library.broker.get()
    async with connection.channel() as channel:
        purged = await (await channel.get_queue(queue)).purge()
    return purged.message_count or 0
