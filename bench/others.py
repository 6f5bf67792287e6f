"""What everybody else takes of this machine: a figure made on a shared one is worth as much as it was left.

Processor time is what counts, not the load average, which our own servers and workers raise, too.
"""

import asyncio
import time

import psutil

#: Cores that others may use on a machine that is called calm.
CALM = 0.25
_LOOK_SECONDS = 2.0


def _busy() -> float:
    """Seconds that all cores together have worked, since the machine's start."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _ours() -> float:
    """The part of this process and its descendants, those that have ended included."""
    here, total = psutil.Process(), 0.0
    for process in (here, *here.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


class Others:
    """Counts from its making on."""

    def __init__(self) -> None:
        self._began, self._busy, self._ours = time.monotonic(), _busy(), _ours()

    @property
    def cores(self) -> float:
        """How many cores others have used since then, on average."""
        taken = (_busy() - self._busy) - (_ours() - self._ours)
        return max(taken, 0.0) / (time.monotonic() - self._began)


async def calm(most_seconds: float) -> float:
    """Wait until the others are calm, so long at most; returns the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < most_seconds:
        others = Others()
        await asyncio.sleep(_LOOK_SECONDS)
        if others.cores <= CALM:
            break
    return time.monotonic() - began
