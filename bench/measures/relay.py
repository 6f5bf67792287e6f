"""The relay, from pending rows to settled ones, against publishing what is ready in memory."""

import asyncio
import time

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.topology import EVENTS_EXCHANGE
from threadly_chassis.outbox.relays import Relays
from threadly_chassis.testing import eventually

from ..backlog import drain, fill_outbox, judged, messages, publish_batches
from ..baselines.publishing import publish_gathered
from ..place import Place, Servers, place
from ..report import Verdict, beside
from ..rounds import Rounds, Sample, take_turns
from ..running import as_a_worker, end, published, until
from ..scale import Scale
from ..service import CONSUMER, production_settings

OURS, BARE, GATHERED = "relay", "coalesced publisher", "aio-pika gathered"
_OF_BARE, _OF_GATHERED = 0.7, 2.5


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Events a second through one quorum queue, confirmed."""
    async with place(servers) as here:
        rounds = await take_turns(
            {
                OURS: lambda: _relay(here, scale.relay_events),
                BARE: lambda: _bare(here, scale.relay_events),
                GATHERED: lambda: _gathered(here, scale.gathered_events),
            },
            scale.rounds,
        )
    return [_verdict(rounds, BARE, _OF_BARE), _verdict(rounds, GATHERED, _OF_GATHERED)]


def _verdict(rounds: Rounds, baseline: str, least: float) -> Verdict:
    return beside(rounds, OURS, baseline, least=least, measure="relay, end to end", unit="events/s")


async def _relay(here: Place, count: int) -> Sample:
    connection = BrokerConnection(here.amqp_url, "bench relay")
    settings = production_settings(here.database_url, here.amqp_url)
    relay = Relays(here.database_url, connection, settings.relays)
    work = asyncio.create_task(relay.run())
    try:
        await eventually(lambda: relay.is_connected, describe="the relay's database")
        done = published() + count
        await fill_outbox(here.database_url, count)
        with as_a_worker():
            started = time.perf_counter()
            relay.wake()
            await until(lambda: published() >= done)
            seconds = time.perf_counter() - started
    finally:
        await end(work)
        await connection.close()
    return judged(count / seconds, count, await drain(await here.broker.get(), CONSUMER, count))


async def _bare(here: Place, count: int) -> Sample:
    outgoing = messages(count)
    started = time.perf_counter()
    await publish_batches(here.publisher, outgoing)
    seconds = time.perf_counter() - started
    return judged(count / seconds, count, await drain(await here.broker.get(), CONSUMER, count))


async def _gathered(here: Place, count: int) -> Sample:
    rate = await publish_gathered(here.amqp_url, EVENTS_EXCHANGE, messages(count))
    return judged(rate, count, await drain(await here.broker.get(), CONSUMER, count))
