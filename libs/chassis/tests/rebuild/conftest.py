"""An author and a reader on real servers."""

import subprocess
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from threadly_chassis.db import Database
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.settings import ServiceSettings
from threadly_chassis.testing.library.harness import LIBRARY, House, Library
from threadly_chassis.testing.library.service import AUTHOR, READER, AuthorSettings, ReaderSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


@pytest.fixture
async def library(service_database: Callable[[str], str], vhost: str) -> AsyncIterator[Library]:
    def settings(kind: type[Settings]) -> Settings:
        return kind.model_validate(
            {
                "database_url": service_database(LIBRARY),
                "amqp_url": vhost,
                "redis_url": "redis://unused",
                "retry_ladder": ("200ms", "400ms"),
            }
        )

    author, reader = settings(AuthorSettings), settings(ReaderSettings)
    author_db, reader_db = Database.open(author), Database.open(reader)
    broker = BrokerConnection(vhost, "test")
    library = Library(
        author=House(author, author_db, AUTHOR), reader=House(reader, reader_db, READER), broker=broker
    )
    yield library
    _end(library.processes)
    await broker.close()
    await author_db.close()
    await reader_db.close()


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
