"""A message's way through the broker with nothing around it."""

import asyncio
import time
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from threadly_chassis.messaging.publisher import Outgoing

from ..pacing import at_rate
from .publishing import as_pika


async def round_trips(
    amqp_url: str, exchange_name: str, queue: str, outgoing: Sequence[Outgoing], rate: float
) -> list[float]:
    """Seconds from each publish to its callback, at a fixed rate; one that never comes is left out."""
    sent: dict[str, float] = {}
    trips: list[float] = []
    done = asyncio.Event()

    async def on_message(message: AbstractIncomingMessage) -> None:
        trips.append(time.perf_counter() - sent[message.message_id or ""])
        await message.ack()
        if len(trips) == len(outgoing):
            done.set()

    async with await aio_pika.connect(amqp_url) as publishing, await aio_pika.connect(amqp_url) as consuming:
        sending = await publishing.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await sending.get_exchange(exchange_name)
        receiving = await consuming.channel(publisher_confirms=False)
        await receiving.set_qos(prefetch_count=256)
        await (await receiving.get_queue(queue)).consume(on_message)

        async def send(number: int) -> None:
            message = outgoing[number]
            sent[str(message.properties.message_id)] = time.perf_counter()
            await exchange.publish(as_pika(message), message.routing_key, mandatory=True)

        await at_rate(send, len(outgoing), rate)
        async with asyncio.timeout(30):
            await done.wait()
    return trips
