"""Both services on real servers, in this process or as processes that may be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from threadly_contracts import Event
from threadly_contracts.operations import (
    RebuildAbandoned,
    RebuildApplied,
    RebuildRefused,
    RebuildRequested,
)

from ...db import Database
from ...ids import new_id
from ...messaging import Subscriptions
from ...messaging.connection import BrokerConnection
from ...rebuild.control import NO_ORDER
from ...rebuild.snapshots import Snapshots
from ...schedules import Schedules
from ...settings import ServiceSettings
from ...worker import Worker
from ..ports import free_port
from ..probes import eventually
from .service import AUTHOR, READER, AuthorSettings, LibraryDeps, ReaderSettings, tell

LIBRARY = "threadly_chassis.testing.library"


def _nobody_dies(error: BaseException) -> None:
    raise AssertionError("a worker's task died") from error


@dataclass
class House:
    """One of the two services: its settings and database, and questions about it."""

    settings: ServiceSettings
    db: Database
    table: Subscriptions

    async def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.db.read() as session:
            return [tuple(row) for row in await session.execute(text(statement), values)]

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.db.transaction() as tx:
            await tx.session.execute(text(statement), values)

    async def said(self, kind: type[Event], rebuild_id: UUID) -> list[Any]:
        """What it published of one kind about a rebuild."""
        rows = await self.query(
            "select payload from outbox_event where event_type = :type and agg_id = :id order by id",
            type=kind.type,
            id=str(rebuild_id),
        )
        return [kind.model_validate_json(payload) for (payload,) in rows]

    @asynccontextmanager
    async def working(self, snapshots: Snapshots | None = None) -> AsyncIterator[Worker]:
        """Run its worker in this process, from when it consumes."""
        deps = LibraryDeps(settings=self.settings, db=self.db)
        worker = Worker(self.settings, deps, self.table, Schedules(), _nobody_dies, snapshots=snapshots)
        async with worker:
            await eventually(
                lambda: all(runner.is_consuming for runner in worker.consumers),
                timeout=60,
                describe="all consumers",
            )
            yield worker


@dataclass
class Library:
    """The author, the reader, and the broker between them."""

    author: House
    reader: House
    broker: BrokerConnection
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @asynccontextmanager
    async def working(self, snapshots: Snapshots | None = None) -> AsyncIterator[None]:
        """Run both workers in this process."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.reader.working())
            await stack.enter_async_context(self.author.working(snapshots))
            yield

    def start(self, house: House, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a service's worker as a process of its own, to die at `fault`."""
        service, settings = house.settings.service, house.settings
        environment = os.environ | {
            f"THREADLY_{service.upper()}_DATABASE_URL": settings.database_url.get_secret_value(),
            f"THREADLY_{service.upper()}_WORKER_PORT": str(free_port()),
            "THREADLY_AMQP_URL": settings.amqp_url.get_secret_value(),
            "THREADLY_REDIS_URL": "redis://unused",
            "THREADLY_RETRY_LADDER": ",".join(settings.retry_ladder),
            "THREADLY_FAULT": fault,
        }
        command = [sys.executable, "-m", f"{LIBRARY}.worker", service]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        self.processes.append(process)
        return process

    async def killed(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the process has died at its fault point."""
        await eventually(lambda: process.poll() is not None, timeout=60, describe="the process's death")
        if process.returncode != -signal.SIGKILL:
            raise AssertionError(f"ended with {process.returncode}, was to be killed")

    async def tell(self, *stories: str, title: str = "", as_v1: bool = False) -> None:
        """Tell stories, each in a transaction of its own."""
        for story in stories:
            async with self.author.db.transaction() as tx:
                await tell(tx, story, title or f"{story}, {new_id()}", as_v1=as_v1)

    async def request(self, consumer: str = "reader.copies", **changes: Any) -> UUID:
        """Ask for a rebuild, as operations does; the author's outbox stands in for operations'."""
        request = RebuildRequested(
            **{
                "rebuild_id": new_id(),
                "consumer": consumer,
                "owners": (),
                "rate": 2000,
                "patience_seconds": 30,
                "requested_at": datetime.now(UTC),
                **changes,
            }
        )
        async with self.author.db.transaction() as tx:
            await tx.publish(request, version=NO_ORDER)
        return request.rebuild_id

    async def abandon(self, rebuild_id: UUID) -> None:
        """Call a rebuild off."""
        abandoned = RebuildAbandoned(
            rebuild_id=rebuild_id, consumer="reader.copies", abandoned_at=datetime.now(UTC)
        )
        async with self.author.db.transaction() as tx:
            await tx.publish(abandoned, version=NO_ORDER)

    async def verdict(self, rebuild_id: UUID) -> RebuildApplied:
        """Wait for what the reader says in the end."""
        [verdict] = await eventually(
            lambda: self.reader.said(RebuildApplied, rebuild_id), timeout=60, describe="the reader's verdict"
        )
        applied: RebuildApplied = verdict
        return applied

    async def refusal(self, rebuild_id: UUID) -> str:
        """Wait for the reason why there is no rebuild."""
        [refused] = await eventually(
            lambda: self.reader.said(RebuildRefused, rebuild_id), describe="the refusal"
        )
        return str(refused.reason)

    async def truth(self) -> list[tuple[Any, ...]]:
        """How the stories stand at their owner."""
        return await self.author.query("select story_id, version, title from story order by story_id")

    async def copies(self) -> list[tuple[Any, ...]]:
        """How they stand with the reader."""
        return await self.reader.query("select story_id, version, title from copy order by story_id")

    async def in_step(self) -> bool:
        """Whether the reader has copied everything; an assertion says what differs."""
        truth, copies = await self.truth(), await self.copies()
        if truth != copies:
            raise AssertionError(f"{len(truth)} stories, {len(copies)} copies, not the same")
        return True

    async def depth(self, queue: str) -> int:
        """Messages ready in a queue."""
        connection = await self.broker.get()
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

    def end_processes(self) -> None:
        """End the processes that still run."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def open_library(make_database: Callable[[str], str], amqp_url: str) -> AsyncIterator[Library]:
    """Open both on databases of their own and one broker; nothing works yet."""

    def values() -> dict[str, Any]:
        return {
            "database_url": make_database(LIBRARY),
            "amqp_url": amqp_url,
            "redis_url": "redis://unused",
            "retry_ladder": ("200ms", "400ms"),
        }

    author, reader = AuthorSettings.model_validate(values()), ReaderSettings.model_validate(values())
    library = Library(
        author=House(author, Database.open(author), AUTHOR),
        reader=House(reader, Database.open(reader), READER),
        broker=BrokerConnection(amqp_url, "library"),
    )
    try:
        yield library
    finally:
        library.end_processes()
        await library.broker.close()
        await library.author.db.close()
        await library.reader.db.close()
