"""The specimen on real servers, in this process or as worker processes, and what tests ask of it."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text

from ...db import Database
from ...messaging import Subscriptions
from ...messaging.connection import BrokerConnection
from ...messaging.publisher import Outgoing, Publisher
from ...schedules import Schedules
from ...worker import Worker
from ..ports import free_port
from ..probes import eventually
from .processes import Process
from .service import (
    SUBSCRIPTIONS,
    SpecimenDeps,
    SpecimenSettings,
    write_note,
)

SPECIMEN = "threadly_chassis.testing.specimen"
LADDER = ("200ms", "400ms")


def _nobody_dies(error: BaseException) -> None:
    raise AssertionError("a worker's task died") from error


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

    def worker(
        self,
        subscriptions: Subscriptions = SUBSCRIPTIONS,
        on_death: Callable[[BaseException], None] = _nobody_dies,
    ) -> Worker:
        deps = SpecimenDeps(settings=self.settings, db=self.db)
        return Worker(self.settings, deps, subscriptions, Schedules(), on_death)

    @asynccontextmanager
    async def working(self, subscriptions: Subscriptions = SUBSCRIPTIONS) -> AsyncIterator[Worker]:
        """Run a worker in this process, from when it consumes."""
        async with self.worker(subscriptions) as worker:
            await eventually(
                lambda: all(runner.is_consuming for runner in worker.consumers),
                timeout=60,
                describe="all consumers",
            )
            yield worker


@dataclass
class Processes:
    """Worker processes that a test starts and that may be made to die."""

    specimen: Specimen
    running: list[Process]
    module: str = f"{SPECIMEN}.worker"

    def start(self, fault: str = "", amqp_url: str | None = None) -> Process:
        settings, port = self.specimen.settings, free_port()
        environment = os.environ | {
            "THREADLY_SPECIMEN_DATABASE_URL": self.specimen.database_url,
            "THREADLY_AMQP_URL": amqp_url or settings.amqp_url.get_secret_value(),
            "THREADLY_REDIS_URL": "redis://unused",
            "THREADLY_RETRY_LADDER": ",".join(settings.retry_ladder),
            "THREADLY_SPECIMEN_WORKER_PORT": str(port),
            "THREADLY_FAULT": fault,
        }
        process = Process(self.module, port, environment)
        self.running.append(process)
        return process

    async def start_and_die(self, fault: str) -> None:
        process = self.start(fault)
        await eventually(lambda: process.poll() is not None, timeout=30, describe="the process's death")
        if process.returncode != -signal.SIGKILL:
            raise AssertionError(f"ended with {process.returncode}, was to be killed at {fault}")
