"""Private servers for a run, and a database and virtual host for each measure."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from threadly_chassis.db import Database
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.outbox.partitions import ensure_partitions
from threadly_chassis.testing.postgres import clone, drop, ensure_template
from threadly_chassis.testing.rabbit import RabbitManagement, vhost_url
from threadly_embedded.testservers import (
    AMQP_MANAGEMENT_URL,
    AMQP_URL,
    POSTGRES_URL,
    REDIS_URL,
    start_host,
    stop_host,
)

from .service import SUBSCRIPTIONS

LADDER = ("5s", "30s", "2m", "10m", "1h")


@dataclass(frozen=True)
class Servers:
    """Where this run's servers answer."""

    postgres: str
    amqp: str
    management: str
    redis: str
    folder: Path


def _memory() -> str | None:
    """Where files are in memory: beside servers that sync, a 16-byte write to a disk's file took 30 ms."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of this run's own in it


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Start PostgreSQL, RabbitMQ and Redis on free loopback ports, with fsync on; stop them in any case.

    They also end when this process dies. Raises `LauncherError` when they do not start.
    """
    os.environ["THREADLY_TEST_FSYNC"] = "on"
    with (
        tempfile.TemporaryDirectory(prefix="threadly-bench-") as name,
        tempfile.TemporaryDirectory(prefix="threadly-bench-", dir=_memory()) as notes,
    ):
        record = Path(name) / "testservers.json"
        addresses = start_host(record, owner=os.getpid()).addresses
        try:
            yield Servers(
                postgres=addresses[POSTGRES_URL],
                amqp=addresses[AMQP_URL],
                management=addresses[AMQP_MANAGEMENT_URL],
                redis=addresses[REDIS_URL],
                folder=Path(notes),
            )
        finally:
            stop_host(record)


@dataclass(frozen=True)
class Place:
    """A migrated database and a virtual host with the topology, both empty at first."""

    database_url: str
    amqp_url: str
    folder: Path
    db: Database
    broker: BrokerConnection
    publisher: Publisher

    async def depth(self, queue: str) -> int:
        """How many messages are ready in a queue."""
        return (await self.declared(queue))[0]

    async def declared(self, queue: str) -> tuple[int, int]:
        """How many messages are ready in a queue, and how many consumers it has."""
        connection = await self.broker.get()
        async with connection.channel() as channel:
            result = (await channel.declare_queue(queue, passive=True)).declaration_result
        return int(result.message_count or 0), int(result.consumer_count or 0)

    async def empty(self, queue: str) -> None:
        """Take out what a contender left: the last acks of a plain client may get lost when it closes."""
        async with (await self.broker.get()).channel() as channel:
            await (await channel.get_queue(queue)).purge()

    async def execute(self, statement: str) -> None:
        """Run a statement of the bench's own, outside any measured part."""
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            await connection.execute(statement.encode())

    async def count(self, statement: str) -> int:
        """Run a query that gives one number."""
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            row = await (await connection.execute(statement.encode())).fetchone()
        return int(row[0]) if row else 0


@asynccontextmanager
async def place(servers: Servers) -> AsyncIterator[Place]:
    """Make a place, and clear it away afterwards."""
    database_url = clone(servers.postgres, ensure_template(servers.postgres, "bench"))
    management = RabbitManagement(servers.management)
    vhost = management.make_vhost()
    amqp_url = vhost_url(servers.amqp, vhost)
    broker, publishing = BrokerConnection(amqp_url, "bench"), BrokerConnection(amqp_url, "bench publisher")
    db = Database.at(database_url, pool_size=8)
    try:
        await ensure_partitions(database_url)
        await Topology([SUBSCRIPTIONS], Ladder(LADDER)).apply(await broker.get())
        yield Place(database_url, amqp_url, servers.folder, db, broker, Publisher(publishing))
    finally:
        await db.close()
        await broker.close()
        await publishing.close()
        management.drop_vhost(vhost)
        drop(servers.postgres, database_url)
