"""From a commit to the start of its handler, in another process, under an even load."""

import time
from functools import partial

from threadly_chassis.messaging.topology import EVENTS_EXCHANGE
from threadly_chassis.outbox import outbox_wakeup
from threadly_chassis.testing import eventually

from ..backlog import messages
from ..baselines.round_trip import round_trips
from ..others import Others, calm
from ..pacing import at_rate
from ..place import Place, Servers, place
from ..report import Verdict
from ..running import Worker, worker
from ..scale import Scale
from ..service import CONSUMER, ItemWeighed, read_record
from ..statistics import percentile

RATE = 100.0
_TARGETS = ((0.5, 10.0), (0.99, 30.0))


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Milliseconds at 100 events a second; the rounds of both contenders are pooled."""
    started, count = time.monotonic(), int(scale.latency_seconds * RATE)
    ours: list[float] = []
    bare: list[float] = []
    rounds: list[str] = []
    async with place(servers) as here, place(servers) as there:
        async with worker(here) as running, outbox_wakeup(here.db):
            for number in range(scale.latency_rounds):
                await calm(scale.calm_seconds)
                others = Others()
                taken = await _commit_to_handler(here, running, first=number * count, count=count)
                rounds.append(f"{_in_short(taken)} while others used {others.cores:.2f} cores")
                ours += taken
                bare += await _publish_to_callback(there, count)
        seconds, expected = time.monotonic() - started, count * scale.latency_rounds
        starts = len(read_record(running.record))
        applied = await here.count("select count(*) from inbox")
    return [
        Verdict(
            measure=f"commit to handler start, p{share * 100:g}",
            unit="ms",
            ours=percentile(ours, share),
            baseline_name="aio-pika publish to callback",
            baseline=percentile(bare, share),
            ratio=percentile(ours, share) / percentile(bare, share),
            target=f"≤ {most:g} ms",
            met=percentile(ours, share) <= most,
            seconds=seconds,
            lost=expected - applied,
            duplicated=starts - expected,
            notes=f"{RATE:g} events/s, open loop; p99.9 {percentile(ours, 0.999):.1f} ms, the longest "
            f"{max(ours):.1f} ms; the baseline's longest {max(bare):.1f} ms; rounds: {'; '.join(rounds)}",
        )
        for share, most in _TARGETS
    ]


def _in_short(taken: list[float]) -> str:
    return f"p50 {percentile(taken, 0.5):.1f}, p99 {percentile(taken, 0.99):.1f} ms"


async def _commit_to_handler(here: Place, running: Worker, *, first: int, count: int) -> list[float]:
    committed: dict[int, int] = {}

    async def publish(offset: int) -> None:
        number = first + offset
        async with here.db.transaction() as tx:
            await tx.publish(ItemWeighed(item=f"item-{number}", number=number), version=1)
        committed[number] = time.monotonic_ns()

    await at_rate(publish, count, RATE)
    await eventually(
        partial(_all_started, running, first + count), timeout=30, describe="the handlers of all events"
    )
    return [
        (start - committed[number]) / 1e6
        for number, start in read_record(running.record)
        if number in committed
    ]


def _all_started(running: Worker, count: int) -> bool:
    running.check()
    return running.handled() >= count


async def _publish_to_callback(there: Place, count: int) -> list[float]:
    await there.empty(CONSUMER)
    trips = await round_trips(there.amqp_url, EVENTS_EXCHANGE, CONSUMER, messages(count), RATE)
    return [seconds * 1000 for seconds in trips]
