"""After the broker was away: how long until what was committed meanwhile has been handled."""

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from threadly_chassis.testing import eventually

from ..backlog import messages, publish_batches
from ..gate import Gate
from ..place import Place, Servers, place
from ..report import Verdict
from ..rounds import Sample, take_turns
from ..running import Worker, worker
from ..scale import Scale
from ..service import CONSUMER, ItemWeighed, read_record

OURS, ROBUST = "worker", "aio-pika robust consumer"
_MOST_SECONDS = 5.0
#: Transactions that commit while the broker is away.
_EVENTS = 50


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Seconds from the opening of the broker's port; each outage is longer than any back-off."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(place(servers))
        there = await stack.enter_async_context(place(servers))
        gate = Gate(here.amqp_url)
        await gate.open()
        running = await stack.enter_async_context(worker(here, amqp_url=gate.url))
        rounds = await take_turns(
            {
                OURS: lambda: _ours(here, running, gate, scale.outage_seconds),
                ROBUST: lambda: _robust(there, scale.outage_seconds),
            },
            scale.outages,
        )
        await gate.shut()
    longest = max(rounds.figures(OURS))
    return [
        Verdict(
            measure="recovery after the broker's port opens, longest",
            unit="s",
            ours=longest,
            baseline_name=f"{ROBUST} (consumes only)",
            baseline=max(rounds.figures(ROBUST)),
            target=f"≤ {_MOST_SECONDS:g} s",
            met=longest <= _MOST_SECONDS,
            seconds=rounds.seconds,
            lost=rounds.lost(OURS),
            duplicated=rounds.duplicated(OURS),
            baseline_lost=rounds.lost(ROBUST),
            baseline_duplicated=rounds.duplicated(ROBUST),
            rounds=rounds.raw,
            notes=f"{scale.outages} outages of {scale.outage_seconds:g} s; until the handler of the last of "
            f"{_EVENTS} events that were committed meanwhile has started",
        )
    ]


async def _ours(here: Place, running: Worker, gate: Gate, seconds: float) -> Sample:
    before = running.handled()
    await gate.shut()
    async with here.db.transaction() as tx:
        for number in range(_EVENTS):
            await tx.publish(ItemWeighed(item=f"item-{number}", number=before + number), version=1)
    await asyncio.sleep(seconds)
    await gate.open()
    opened = time.monotonic_ns()
    enough = partial(_all_started, running, before + _EVENTS)
    await eventually(enough, timeout=60, describe="the handlers of all events")
    starts = read_record(running.record)[before:]
    distinct = len({number for number, _ in starts})
    figure = (max(start for _, start in starts) - opened) / 1e9
    return Sample(figure, lost=_EVENTS - distinct, duplicated=len(starts) - distinct)


def _all_started(running: Worker, count: int) -> bool:
    running.check()
    return running.handled() >= count


async def _robust(there: Place, seconds: float) -> Sample:
    gate = Gate(there.amqp_url)
    await gate.open()
    arrived: list[tuple[str, float]] = []
    done = asyncio.Event()

    async def on_message(message: AbstractIncomingMessage) -> None:
        await message.ack()
        arrived.append((message.message_id or "", time.monotonic()))
        if len({name for name, _ in arrived}) >= _EVENTS:
            done.set()

    connection = await aio_pika.connect_robust(gate.url)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        await (await channel.get_queue(CONSUMER)).consume(on_message)
        await gate.shut()
        await publish_batches(there.publisher, messages(_EVENTS))
        await asyncio.sleep(seconds)
        await gate.open()
        opened = time.monotonic()
        async with asyncio.timeout(60):
            await done.wait()
    await gate.shut()
    figure = max(moment for _, moment in arrived) - opened
    return Sample(figure, lost=0, duplicated=len(arrived) - _EVENTS)
