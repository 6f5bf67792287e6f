"""Consuming without batches, or without an inbox altogether."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text

from threadly_chassis.db import Database

_MARK = text(
    "insert into inbox (consumer, event_id) values (:consumer, :event_id) on conflict do nothing returning 1"
)


async def consume_and_ack(amqp_url: str, queue: str, count: int, prefetch: int) -> float:
    """Acknowledge each message when it comes, nothing else; returns messages a second."""

    async def nothing(_: AbstractIncomingMessage) -> None:
        return

    return await _consume(amqp_url, queue, count, prefetch, nothing)


async def one_transaction_each(
    amqp_url: str, queue: str, count: int, prefetch: int, *, db: Database, consumer: str, at_once: int
) -> float:
    """Mark each message in a transaction of its own, `at_once` at a time, then ack; messages a second."""
    lanes = asyncio.Semaphore(at_once)

    async def mark(message: AbstractIncomingMessage) -> None:
        async with lanes, db.transaction() as tx:
            await tx.session.execute(
                _MARK, {"consumer": consumer, "event_id": UUID(message.message_id or "")}
            )

    return await _consume(amqp_url, queue, count, prefetch, mark)


async def _consume(
    amqp_url: str,
    queue: str,
    count: int,
    prefetch: int,
    handle: Callable[[AbstractIncomingMessage], Awaitable[None]],
) -> float:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = count

    async def on_message(message: AbstractIncomingMessage) -> None:
        nonlocal left
        try:
            await handle(message)
            await message.ack()
        except Exception as error:  # noqa: BLE001 - a callback's error would only be logged
            if not done.done():
                done.set_exception(error)
        left -= 1
        if left == 0 and not done.done():
            done.set_result(None)

    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=prefetch)
        source = await channel.get_queue(queue)
        started = time.perf_counter()
        await source.consume(on_message)
        async with asyncio.timeout(300):
            await done
        return count / (time.perf_counter() - started)
