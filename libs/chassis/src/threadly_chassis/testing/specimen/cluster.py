"""Several specimen processes under load, and their whole history afterwards: what the chaos suite breaks."""

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from ...db import Database
from ...messaging.connection import BROKER_ERRORS, BrokerConnection
from ...messaging.ladder import Ladder
from ...messaging.publisher import Publisher
from ...messaging.topology import EVENTS_EXCHANGE, Topology, dead_letter_queue, wait_queue
from ...outbox.relay import Relay
from ...tasks import end_tasks
from ...worker import Worker
from ..history import ConsumerLog, Fact, History, Order
from ..ports import free_port
from ..rabbit import RabbitManagement
from .harness import LADDER, SPECIMEN, Specimen
from .load import patience, patiently
from .processes import Process
from .service import SUBSCRIPTIONS, SpecimenSettings

_APPENDED = (
    "select event_id, agg_id, agg_version from outbox_event "
    "where event_type like 'threadly.specimen.%' order by id"
)
_PENDING = (
    "select event_id from outbox_pending join outbox_event using (id, shard) "
    "where event_type like 'threadly.specimen.%'"
)
#: A queue that is bound to all events and read by nobody until the end: the publish log.
TAP = "chaos.tap"


@dataclass
class Cluster:
    """Worker processes of one specimen service, and questions about them all."""

    specimen: Specimen
    folder: Path
    management: RabbitManagement
    running: list[Process] = field(default_factory=list)

    @property
    def vhost(self) -> str:
        return self.specimen.settings.amqp_url.get_secret_value().rpartition("/")[2]

    def start(
        self, count: int = 2, *, module: str = f"{SPECIMEN}.worker", **environment: str
    ) -> list[Process]:
        """Start worker processes: each has a relay, and a consumer of every queue."""
        started = [self._start_one(module, environment) for _ in range(count)]
        self.running += started
        return started

    def _start_one(self, module: str, extra: Mapping[str, str]) -> Process:
        settings, port = self.specimen.settings, free_port()
        environment = {
            **os.environ,
            "THREADLY_SPECIMEN_DATABASE_URL": self.specimen.database_url,
            "THREADLY_AMQP_URL": settings.amqp_url.get_secret_value(),
            "THREADLY_REDIS_URL": "redis://unused",
            "THREADLY_RETRY_LADDER": ",".join(settings.retry_ladder),
            "THREADLY_SPECIMEN_WORKER_PORT": str(port),
            "THREADLY_SPECIMEN_DELIVERIES": str(self.folder / "deliveries"),
            **extra,
        }
        return Process(module, port, environment, self.folder / f"worker-{port}.log")

    @asynccontextmanager
    async def working(self, count: int = 2, **settings: Any) -> AsyncIterator[list[Worker]]:
        """Run workers in this process, from when all consume: for faults that need no process to die."""
        changed = self.specimen.settings.model_copy(
            update={"deliveries": str(self.folder / "deliveries"), **settings}
        )
        specimen = replace(self.specimen, settings=changed)
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(specimen.working()) for _ in range(count)]

    async def dies(self, process: Process, *, seconds: float = 60.0) -> None:
        """Wait until a process that was to be killed has been."""
        await patiently(lambda: process.poll() is not None, seconds=seconds, describe="a process's death")
        self.running.remove(process)
        if process.returncode != -signal.SIGKILL:
            raise AssertionError(f"ended with {process.returncode}, was to be killed")

    async def measured(self, metric: str) -> float:
        """The sum of a metric over the living processes; `metric` is a sample's name with all its labels."""
        living = [process for process in self.running if process.poll() is None]
        pages = await asyncio.gather(*(asyncio.to_thread(_metrics, process.port) for process in living))
        lines = [line.rpartition(" ") for page in pages for line in page.splitlines()]
        return sum(float(value) for name, _, value in lines if name == metric)

    async def consuming(self, count: int = 2) -> None:
        """Wait until every queue has this many consumers; only then is everybody at work."""

        async def all_there() -> bool:
            there = {c.name: await self.consumers_of(c.name) for c in SUBSCRIPTIONS}
            if set(there.values()) != {count}:
                raise AssertionError(there)
            return True

        await patiently(all_there, describe=f"{count} consumers of each queue")

    async def consumers_of(self, queue: str) -> int:
        """How many consumers the broker knows of for a queue."""
        try:
            async with (await self.specimen.broker.get()).channel() as channel:
                declared = await channel.declare_queue(queue, passive=True)
        except BROKER_ERRORS as error:
            raise AssertionError(f"the broker does not answer: {error!r}") from error
        return int(declared.declaration_result.consumer_count or 0)

    @asynccontextmanager
    async def supervised(self, count: int = 2, **environment: str) -> AsyncIterator[list[int]]:
        """Run workers, each started again when it dies; gives the exit codes of those that died."""
        deaths: list[int] = []
        watching = asyncio.create_task(
            self._start_again(self.start(count, **environment), deaths, environment)
        )
        try:
            yield deaths
        finally:
            await end_tasks(watching)

    async def _start_again(
        self, alive: list[Process], deaths: list[int], environment: Mapping[str, str]
    ) -> None:
        while True:
            for process in [process for process in alive if process.poll() is not None]:
                deaths.append(process.returncode or 0)
                alive.remove(process)
                self.running.remove(process)
                alive += self.start(1, **environment)
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """End all processes; those that do not end in 20 s are killed."""
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def at_rest(self, *, seconds: float = 30.0, **dead: int) -> float:
        """Wait until every committed event has come to its end for every consumer; returns the seconds.

        Its end is a mark in the inbox or, for `dead` of them per consumer (`every=1`), a dead letter in
        its queue.
        """
        started = time.monotonic()
        await patiently(lambda: self._is_at_rest(dead), seconds=seconds, describe="everything at rest")
        return time.monotonic() - started

    async def _is_at_rest(self, dead: Mapping[str, int]) -> bool:
        try:
            pending, committed = len(await self._query(_PENDING)), len(await self._query(_APPENDED))
            marks = dict(await self._query("select consumer, count(*) from inbox group by 1"))
        except SQLAlchemyError as error:
            raise AssertionError("the database does not answer") from error
        ends = {c.name: marks.get(c.name, 0) + dead.get(c.name.partition(".")[2], 0) for c in SUBSCRIPTIONS}
        if pending or set(ends.values()) != {committed}:
            raise AssertionError(f"{committed} committed, {pending} of them pending; ended: {ends}")
        letters = {name: await self._depth(dead_letter_queue(f"specimen.{name}")) for name in dead}
        if any(letters[name] < count for name, count in dead.items()):
            raise AssertionError(f"dead letters: {letters}, expected: {dead}")
        return True

    async def _depth(self, queue: str) -> int:
        try:
            return await self.specimen.depth(queue)
        except BROKER_ERRORS as error:
            raise AssertionError("the broker does not answer") from error

    async def _query(self, statement: str, **values: Any) -> list[Any]:
        return list(await self.specimen.query(statement, **values))

    async def history(self, lag_seconds: float = 0.0, lag_bound: float = 30.0) -> History:
        """Read all logs; what lies in queues is taken out."""
        return History(
            appended=[Fact(*row) for row in await self._query(_APPENDED)],
            pending={row[0] for row in await self._query(_PENDING)},
            published=[_fact(message) for message in await self.specimen.take(TAP)],
            consumers={c.name: await self._log_of(c.name) for c in SUBSCRIPTIONS},
            lag_seconds=lag_seconds,
            lag_bound=lag_bound,
        )

    async def _log_of(self, consumer: str) -> ConsumerLog:
        applied = await self.specimen.query(
            "select event_id, note_id, version from effect where consumer = :c order by id", c=consumer
        )
        steps = self.specimen.settings.retry_ladder
        queues = (consumer, dead_letter_queue(consumer), *(wait_queue(consumer, step) for step in steps))
        return ConsumerLog(
            applied=[Fact(*row) for row in applied],
            delivered=[
                Fact(UUID(d["event_id"]), d["note_id"], d["version"]) for d in self.deliveries(consumer)
            ],
            places={queue: await self._ids_in(queue) for queue in queues},
            order=Order.RISING if consumer == "specimen.newest" else Order.ANY,
            exactly_once=consumer != "specimen.outside",
        )

    async def _ids_in(self, queue: str) -> Collection[UUID]:
        return {UUID(str(message.message_id)) for message in await self.specimen.take(queue)}

    def deliveries(self, consumer: str) -> list[dict[str, Any]]:
        """Every time that a handler was given a message."""
        path = self.folder / "deliveries"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if line["consumer"] == consumer]

    async def seconds_to_apply(self, consumer: str = "specimen.every") -> list[tuple[UUID, float]]:
        """From each event's append to the start of its handler, by the database's clock, oldest first."""
        return [
            (event_id, float(seconds))
            for event_id, seconds in await self._query(
                "select e.event_id, extract(epoch from f.applied_at - e.created_at) from effect f "
                "join outbox_event e using (event_id) where f.consumer = :consumer order by e.id",
                consumer=consumer,
            )
        ]

    async def relay_everything(self) -> None:
        """Move what is pending to the broker, with no worker running."""
        connection = BrokerConnection(self.specimen.settings.amqp_url.get_secret_value(), "test relay")
        relaying = asyncio.create_task(Relay(self.specimen.database_url, Publisher(connection)).run())
        await patiently(self._nothing_is_pending, describe="an empty outbox")
        await end_tasks(relaying)
        await connection.close()

    async def _nothing_is_pending(self) -> bool:
        return await self.specimen.pending() == 0

    async def apply_topology(self) -> None:
        """Declare what is missing; what is there stays as it is."""
        topology = Topology([SUBSCRIPTIONS], Ladder(self.specimen.settings.retry_ladder))
        await topology.apply(await self.specimen.broker.get())

    async def delete_queue(self, queue: str) -> None:
        """Delete a queue under whoever uses it."""
        async with (await self.specimen.broker.get()).channel() as channel:
            await channel.queue_delete(queue)

    def standing(self, queue: str) -> dict[str, int]:
        """What the broker counts of a queue: `messages`, and of them `_ready` and `_unacknowledged`.

        The management interface counts every five seconds; `AssertionError` until it has counted once.
        """
        answer = self.management.call("GET", f"queues/{self.vhost}/{queue}")
        if "messages_unacknowledged" not in answer:
            raise AssertionError(f"{queue} is not counted yet")
        return {
            name: value
            for name, value in answer.items()
            if name.startswith("messages") and type(value) is int
        }

    async def verify(self, *, seconds: float = 30.0, **dead: int) -> History:
        """Wait for rest, at most `seconds` after the last fault, and check I1 to I5 on the whole history."""
        lag = await self.at_rest(seconds=seconds, **dead)
        history = await self.history(lag, patience(seconds))
        history.verify()
        if not history.published:
            raise AssertionError("nothing was published: the run proves nothing")
        return history


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def _fact(message: Any) -> Fact:
    headers = message.headers
    return Fact(UUID(message.message_id), headers["cloudEvents:subject"], headers["t-agg-version"])


@asynccontextmanager
async def open_specimen(
    database_url: str, amqp_url: str, ladder: Sequence[str] = LADDER
) -> AsyncIterator[Specimen]:
    """A specimen on a migrated database and an empty virtual host, with its topology and the tap."""
    settings = SpecimenSettings.model_validate(
        {
            "database_url": database_url,
            "amqp_url": amqp_url,
            "redis_url": "redis://unused",
            "retry_ladder": ladder,
        }
    )
    db = Database.open(settings)
    broker, publishing = BrokerConnection(amqp_url, "test"), BrokerConnection(amqp_url, "test publisher")
    try:
        connection = await broker.get()
        await Topology([SUBSCRIPTIONS], Ladder(ladder)).apply(connection)
        async with connection.channel() as channel:
            tap = await channel.declare_queue(TAP, durable=True, arguments={"x-queue-type": "quorum"})
            await tap.bind(EVENTS_EXCHANGE, "specimen.#")
        yield Specimen(settings, db, broker, Publisher(publishing))
    finally:
        await broker.close()
        await publishing.close()
        await db.close()
