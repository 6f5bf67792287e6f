"""A specimen service on real servers, and what the tests ask of it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text
from threadly_chassis.db import Database
from threadly_chassis.messaging import Subscriptions
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Outgoing, Publisher
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.schedules import Schedules
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.service import (
    SUBSCRIPTIONS,
    SpecimenDeps,
    SpecimenSettings,
    write_note,
)
from threadly_chassis.worker import Worker

SPECIMEN = "threadly_chassis.testing.specimen"
LADDER = ("200ms", "400ms")


@dataclass
class Specimen:
    """The specimen service: its database and virtual host, and questions about them."""

    settings: SpecimenSettings
    db: Database
    broker: BrokerConnection
    publisher: Publisher

    @property
    def database_url(self) -> str:
        return self.settings.database_url.get_secret_value()

    async def write(self, *notes: str, says: str = "") -> None:
        for note in notes:
            async with self.db.transaction() as tx:
                await write_note(tx, note, says)

    async def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.db.read() as session:
            return [tuple(row) for row in await session.execute(text(statement), values)]

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.db.transaction() as tx:
            await tx.session.execute(text(statement), values)

    async def effects(self, consumer: str = "specimen.every") -> list[tuple[str, int]]:
        """(note, version) in the order of their application."""
        rows = await self.query(
            "select note_id, version from effect where consumer = :c order by id", c=consumer
        )
        return [(note, version) for note, version in rows]

    async def appended(self) -> set[UUID]:
        rows = await self.query(
            "select event_id from outbox_event where event_type like 'threadly.specimen.%'"
        )
        return {row[0] for row in rows}

    async def pending(self) -> int:
        return int((await self.query("select count(*) from outbox_pending"))[0][0])

    async def depth(self, queue: str) -> int:
        connection = await self.broker.get()
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

    async def take(self, queue: str) -> list[AbstractIncomingMessage]:
        """Take all messages that are ready in a queue."""
        connection = await self.broker.get()
        taken = []
        async with connection.channel() as channel:
            source = await channel.get_queue(queue)
            while (message := await source.get(no_ack=True, fail=False)) is not None:
                taken.append(message)
        return taken

    async def publish(self, *messages: Outgoing) -> None:
        await self.publisher.publish(messages)

    def worker(self, subscriptions: Subscriptions = SUBSCRIPTIONS) -> Worker:
        def die(error: BaseException) -> None:
            raise AssertionError("a worker's task died") from error

        deps = SpecimenDeps(settings=self.settings, db=self.db)
        return Worker(self.settings, deps, subscriptions, Schedules(), die)

    @asynccontextmanager
    async def working(self, subscriptions: Subscriptions = SUBSCRIPTIONS) -> AsyncIterator[Worker]:
        """Run a worker in this process, from when it consumes."""
        async with self.worker(subscriptions) as worker:
            await eventually(
                lambda: all(runner.is_consuming for runner in worker.consumers), describe="all consumers"
            )
            yield worker


@pytest.fixture
async def specimen(
    service_database: Callable[[str], str], vhost: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Specimen]:
    settings = SpecimenSettings.model_validate(
        {
            "database_url": service_database(SPECIMEN),
            "amqp_url": vhost,
            "redis_url": "redis://unused",
            "retry_ladder": LADDER,
        }
    )
    db = Database.open(settings)
    broker = BrokerConnection(vhost, "test")
    publishing = BrokerConnection(vhost, "test publisher")
    await Topology([SUBSCRIPTIONS], Ladder(LADDER)).apply(await broker.get())
    yield Specimen(settings, db, broker, Publisher(publishing))
    await broker.close()
    await publishing.close()
    await db.close()


@dataclass
class Processes:
    """Worker processes that a test starts and that may be made to die."""

    specimen: Specimen
    running: list[subprocess.Popen[bytes]]

    def start(self, fault: str = "") -> subprocess.Popen[bytes]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = self.specimen.settings
        environment = os.environ | {
            "THREADLY_SPECIMEN_DATABASE_URL": self.specimen.database_url,
            "THREADLY_AMQP_URL": settings.amqp_url.get_secret_value(),
            "THREADLY_REDIS_URL": "redis://unused",
            "THREADLY_RETRY_LADDER": ",".join(settings.retry_ladder),
            "THREADLY_SPECIMEN_WORKER_PORT": str(port),
            "THREADLY_FAULT": fault,
        }
        command = [sys.executable, "-m", f"{SPECIMEN}.worker"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own module
        self.running.append(process)
        return process

    async def dies(self, process: subprocess.Popen[bytes]) -> None:
        await eventually(lambda: process.poll() is not None, timeout=30, describe="the process's death")
        assert process.returncode == -signal.SIGKILL

    async def start_and_die(self, fault: str) -> None:
        await self.dies(self.start(fault))


@pytest.fixture
def processes(specimen: Specimen) -> Iterator[Processes]:
    started: list[subprocess.Popen[bytes]] = []
    yield Processes(specimen, started)
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
