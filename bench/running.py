"""Our side while it runs: tasks in this process, workers in their own, and what they have done so far."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from threadly_chassis.collector import tune_collector
from threadly_chassis.observability.metrics import OUTBOX_PUBLISHED
from threadly_chassis.testing import eventually
from threadly_embedded.ports import LOOPBACK, free_ports
from threadly_embedded.privileges import die_with_parent

from .place import Place
from .service import CONSUMER, ENTRY_BYTES

_PUBLISHED = "threadly_outbox_published_total "


def published() -> int:
    """How many events the relays of this process have had confirmed and settled."""
    [metric] = OUTBOX_PUBLISHED.collect()
    return int(next(s.value for s in metric.samples if s.name.endswith("_total")))


async def until(condition: Callable[[], bool], most_seconds: float = 300.0) -> None:
    """Look every 5 ms whether a condition holds; raises `TimeoutError` when it takes too long."""
    async with asyncio.timeout(most_seconds):
        while not condition():  # noqa: ASYNC110 - the condition is a count, which wakes nobody
            await asyncio.sleep(0.005)


@contextmanager
def as_a_worker() -> Iterator[None]:
    """Have the garbage collector as a worker has it, for what is ours; the baselines have Python's own."""
    before = gc.get_threshold()
    tune_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        # Else it would take the few objects of the last full collection for all that live, and do one after
        # every few thousand new ones: that cost the baselines 15 %.
        gc.collect()


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Worker:
    """A worker process: its pid, and the file where its handler notes each start."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, record: Path, log: Path) -> None:
        self.pid = process.pid
        self.record = record
        self._process = process
        self._log = log
        self._metrics = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False)

    def handled(self) -> int:
        """How many handlers have started."""
        return self.record.stat().st_size // ENTRY_BYTES if self.record.exists() else 0

    async def published(self) -> int:
        """How many events its relay has had confirmed and settled."""
        lines = (await self._metrics.get("/metrics")).text.splitlines()
        return int(float(next(line for line in lines if line.startswith(_PUBLISHED)).split()[1]))

    async def close(self) -> None:
        """End it, and wait until it has drained and gone."""
        await self._metrics.aclose()
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 60)

    def check(self) -> None:
        """Raise `RuntimeError`, with its last words, when it has ended by itself."""
        if self._process.poll() is not None:
            words = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {words}")


def started(module: str, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a module of the bench's in a process that dies with this one; its words go to `log`."""
    command = die_with_parent((sys.executable, "-m", module))
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603 - ours


@asynccontextmanager
async def worker(here: Place, *, amqp_url: str | None = None) -> AsyncIterator[Worker]:
    """Run a worker process in production mode, from when it consumes; SIGTERM ends it."""
    record, log = (here.folder / f"{uuid4().hex}.{end}" for end in ("record", "log"))
    [port] = free_ports(1)
    environment = os.environ | {
        "THREADLY_MODE": "production",
        "THREADLY_CURSOR_SECRET": uuid4().hex,
        "THREADLY_BENCH_DATABASE_URL": here.database_url,
        "THREADLY_BENCH_WORKER_PORT": str(port),
        "THREADLY_BENCH_RECORD": str(record),
        "THREADLY_AMQP_URL": amqp_url or here.amqp_url,
        "THREADLY_REDIS_URL": "redis://unused",
        "THREADLY_LOG_LEVEL": "WARNING",
    }
    running = Worker(started("bench.worker", environment, log), port, record, log)
    try:
        await eventually(lambda: _consumes(here, running), timeout=60, describe="the worker to consume")
        yield running
    finally:
        await running.close()


async def _consumes(here: Place, running: Worker) -> bool:
    running.check()
    _, consumers = await here.declared(CONSUMER)
    return consumers > 0
