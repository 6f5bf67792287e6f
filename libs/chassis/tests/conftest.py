"""A specimen service on real servers."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest

from threadly_chassis.db import Database
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN, Processes, Specimen
from threadly_chassis.testing.specimen.processes import Process
from threadly_chassis.testing.specimen.service import SUBSCRIPTIONS, SpecimenSettings


@pytest.fixture
def url(service_database: Callable[[str], str]) -> str:
    """A database with the chassis' tables and the specimen's."""
    return service_database(SPECIMEN)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = Database.at(url, pool_size=2)
    yield db
    await db.close()


@pytest.fixture
def cut(url: str) -> Callable[[], Awaitable[None]]:
    """`await cut()` ends every connection to the database, as a restart of its server does."""

    async def terminate() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )

    return terminate


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


@pytest.fixture
def processes(specimen: Specimen) -> Iterator[Processes]:
    started: list[Process] = []
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
