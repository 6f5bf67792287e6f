"""Catching up with a long backlog: at a flat rate, in flat memory, each event once."""

import asyncio
import time
from dataclasses import dataclass, field

import psutil

from ..backlog import fill_outbox
from ..place import Servers, place
from ..report import Verdict
from ..running import Worker, worker
from ..scale import Scale
from ..service import read_record
from ..statistics import part_medians, rates, slope, trend

_TENTHS = 10
_SPREAD = 0.10
#: The first tenth is warm-up: by then buffers and caches have been used to the full.
_GROWTH = 0.05
#: Between two looks, seconds: asking the worker for its metrics takes it some milliseconds.
_LOOK_SECONDS = 0.25


@dataclass
class _Log:
    """What was published by when (seconds), and the worker's MiB by events applied."""

    published: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _History:
    """What became of the events."""

    count: int
    seconds: float
    lost: int
    duplicated: int


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """A worker is started over pending events; it publishes all of them and consumes them, too."""
    count = scale.catch_up_events
    async with place(servers) as here:
        await fill_outbox(here.database_url, count)
        started = time.monotonic()
        async with worker(here) as running:
            log = await _watch(running, count)
            seconds = time.monotonic() - started
        applied = await here.count("select count(*) from inbox")
        starts = len(read_record(running.record))
    history = _History(count, seconds, lost=count - applied, duplicated=starts - count)
    return [_flat_rate(log, history), _flat_memory(log, history)]


def _flat_rate(log: _Log, history: _History) -> Verdict:
    tenths = rates(log.published, _TENTHS)
    # One tenth swings by 8 % and two of them by 12: they cannot tell a swing from a slope.
    first, last = trend(tenths)
    ratio = last / first
    (begin, come), (end, to) = log.published[0], log.published[-1]
    return Verdict(
        measure=f"catch-up of {history.count:,}: last tenth by first",
        unit="events/s",
        ours=last,
        baseline_name="its first tenth",
        baseline=first,
        ratio=ratio,
        target=f"≥ {1 - _SPREAD:g} x",
        met=ratio >= 1 - _SPREAD,
        seconds=history.seconds,
        lost=history.lost,
        duplicated=history.duplicated,
        rounds={"tenths": [round(rate, 1) for rate in tenths]},
        notes="ends of the line through all tenths; the raw ones have "
        f"{tenths[-1] / tenths[0]:.2f}; the worker published at {(to - come) / (end - begin):,.0f} events/s "
        f"while it consumed the same; all were applied after {history.seconds:.0f} s, "
        f"{history.count / history.seconds:,.0f} events/s; by tenths: "
        + ", ".join(f"{rate:,.0f}" for rate in tenths),
    )


def _flat_memory(log: _Log, history: _History) -> Verdict:
    tenths = part_medians(log.memory, history.count, _TENTHS)
    warm = [look for look in log.memory if look[0] >= history.count / _TENTHS]
    ratio = tenths[-1] / tenths[1]
    return Verdict(
        measure=f"worker's memory over {history.count:,} events, last tenth",
        unit="MiB",
        ours=tenths[-1],
        baseline_name="its second tenth",
        baseline=tenths[1],
        ratio=ratio,
        target=f"≤ {1 + _GROWTH:g} x",
        met=ratio <= 1 + _GROWTH,
        seconds=history.seconds,
        lost=history.lost,
        duplicated=history.duplicated,
        rounds={"tenths": [round(mib, 1) for mib in tenths]},
        notes=f"resident; after the first tenth it rose by {slope(warm) * 1e6:.2f} MiB in a million events, "
        f"the most was {max(mib for _, mib in log.memory):.1f} MiB ({len(log.memory)} looks)",
    )


async def _watch(running: Worker, count: int) -> _Log:
    process, log, handled = psutil.Process(running.pid), _Log(), 0
    before = await running.published()
    while handled < count:
        running.check()
        if not log.published or log.published[-1][1] < count:
            published = await running.published() - before
            log.published.append((time.monotonic(), min(published, count)))
        handled = min(running.handled(), count)
        log.memory.append((handled, process.memory_info().rss / 2**20))
        await asyncio.sleep(_LOOK_SECONDS)
    return log
