"""Making events without waiting for them: into the outbox by COPY, or as messages for a queue."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from uuid import UUID

import psycopg
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage

from threadly_chassis.messaging.publisher import Outgoing, Publisher
from threadly_chassis.outbox.message import to_message
from threadly_chassis.outbox.relay import BATCH_MESSAGES
from threadly_chassis.outbox.store import OutboxRow
from threadly_chassis.testing.rows import row_of

from .rounds import Sample
from .service import ItemWeighed

#: Aggregates that the events of a run are about: enough that lanes and shards are evenly filled.
AGGREGATES = 1000

_COPY = (
    "copy outbox_event (shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, "
    "headers, payload) from stdin"
)
_POINT = "insert into outbox_pending (shard, id) select shard, id from outbox_event where id > %s"


def rows(count: int, first: int = 0) -> Iterator[OutboxRow]:
    """Make outbox rows as `append` writes them."""
    for number in range(first, first + count):
        event = ItemWeighed(item=f"item-{number % AGGREGATES}", number=number)
        yield row_of(event, number // AGGREGATES + 1)


async def fill_outbox(database_url: str, count: int, first: int = 0) -> None:
    """Put pending events into the outbox."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        row = await (await connection.execute("select coalesce(max(id), 0) from outbox_event")).fetchone()
        async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for r in rows(count, first):
                about = (r.shard, r.event_id, r.agg_type, r.agg_id, r.agg_version, r.event_type)
                await copy.write_row((*about, r.schema_major, json.dumps(r.headers), r.payload))
        await connection.execute(_POINT, row or (0,))


def messages(count: int, first: int = 0) -> list[Outgoing]:
    """Make messages as the relay sends them."""
    return [to_message(row) for row in rows(count, first)]


async def publish_batches(publisher: Publisher, outgoing: list[Outgoing]) -> None:
    """Publish, a batch at a time."""
    for start in range(0, len(outgoing), BATCH_MESSAGES):
        await publisher.publish(outgoing[start : start + BATCH_MESSAGES])


async def drain(connection: AbstractConnection, queue: str, expected: int) -> list[UUID]:
    """Take every message out of a queue that should hold `expected`; returns their ids.

    Waits 5 s for one that is missing.
    """
    found: list[UUID] = []
    moved = asyncio.Event()

    async def take(message: DeliveredMessage) -> None:
        found.append(UUID(message.header.properties.message_id or ""))
        moved.set()

    async with connection.channel() as channel:
        underlay = await channel.get_underlay_channel()
        left = (await underlay.queue_declare(queue, passive=True)).message_count or 0
        await underlay.basic_consume(queue, take, no_ack=True)
        with contextlib.suppress(TimeoutError):
            while len(found) < max(expected, left):
                moved.clear()
                await asyncio.wait_for(moved.wait(), 5)
    return found


def judged(figure: float, expected: int, arrived: list[UUID]) -> Sample:
    """Make a sample whose events are compared with what was sent."""
    distinct = len(set(arrived))
    return Sample(figure, lost=expected - distinct, duplicated=len(arrived) - distinct)
