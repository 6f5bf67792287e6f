"""Catching up with a long backlog: at a flat rate, in flat memory, each event once."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import pairwise

import psutil

from ..backlog import fill_outbox
from ..place import Servers, place
from ..report import Verdict
from ..running import Worker, worker
from ..scale import Scale
from ..service import read_record

_TENTHS = 10
_SPREAD = 0.10
#: A worker may hold this much more at the end than after its first tenth: by then its buffers have been used.
_GROWTH = 0.10
_MOST_SECONDS = 3600.0


@dataclass
class _Log:
    """What was published by when (seconds), at each tenth; the worker's MiB at each tenth applied."""

    published: list[tuple[float, int]]
    memory: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Events a second in each tenth."""
        return [(to - come) / (end - begin) for (begin, come), (end, to) in pairwise(self.published)]


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
    rates = log.rates
    ratio = rates[-1] / rates[0]
    (begin, come), (end, to) = log.published[0], log.published[-1]
    return Verdict(
        measure=f"catch-up of {history.count:,}: last tenth by first",
        unit="events/s",
        ours=rates[-1],
        baseline_name="its first tenth",
        baseline=rates[0],
        ratio=ratio,
        target=f"≥ {1 - _SPREAD:g} x",
        met=ratio >= 1 - _SPREAD,
        seconds=history.seconds,
        lost=history.lost,
        duplicated=history.duplicated,
        rounds={"tenths": [round(rate, 1) for rate in rates]},
        notes=f"the worker published at {(to - come) / (end - begin):,.0f} events/s "
        "while it consumed the same; "
        f"all were applied after {history.seconds:.0f} s, "
        f"{history.count / history.seconds:,.0f} events/s",
    )


def _flat_memory(log: _Log, history: _History) -> Verdict:
    ratio = log.memory[-1] / log.memory[0]
    return Verdict(
        measure=f"worker's memory over {history.count:,} events",
        unit="MiB",
        ours=log.memory[-1],
        baseline_name="after its first tenth",
        baseline=log.memory[0],
        ratio=ratio,
        target=f"≤ {1 + _GROWTH:g} x",
        met=ratio <= 1 + _GROWTH,
        seconds=history.seconds,
        lost=history.lost,
        duplicated=history.duplicated,
        rounds={"tenths": [round(mib, 1) for mib in log.memory]},
    )


async def _watch(running: Worker, count: int) -> _Log:
    process = psutil.Process(running.pid)
    log = _Log([(time.monotonic(), await running.published())])
    async with asyncio.timeout(_MOST_SECONDS):
        while len(log.published) <= _TENTHS or len(log.memory) < _TENTHS:
            running.check()
            published = await running.published() if len(log.published) <= _TENTHS else count
            if published >= count * len(log.published) / _TENTHS:
                log.published.append((time.monotonic(), published))
            if running.handled() >= count * (len(log.memory) + 1) / _TENTHS:
                log.memory.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(0.02)
    return log
