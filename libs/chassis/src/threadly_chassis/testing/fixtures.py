"""Pytest fixtures for suites that use real servers; loaded by pytest itself (entry point `pytest11`).

Where the servers are comes from `THREADLY_TEST_*_URL`, which the plugin in `deploy/embedded` sets for runs
that contain tests marked `integration`.
"""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

if TYPE_CHECKING:
    from .identity import TestIdentity

#: Makes a migrated database for a service package and returns its URL.
DatabaseFactory = Callable[[str], str]

#: Redis database 0 keeps the claims on the others.
_REDIS_DATABASES = range(1, 16)
_CLAIM_SECONDS = 1800


def pytest_configure() -> None:
    """Log as the services do: structlog's own default draws every traceback with all locals, for seconds."""
    from ..observability.logging import configure_logging  # noqa: PLC0415 - as below

    configure_logging("tests", "WARNING")


def _address(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        pytest.fail(f"{name} is not set: is the test marked 'integration'?")


def _factory() -> Iterator[DatabaseFactory]:
    from .postgres import clone, drop, ensure_template  # noqa: PLC0415 - loaded in every run, used in some

    server = _address("THREADLY_TEST_POSTGRES_URL")
    made: list[str] = []

    def make(package: str) -> str:
        made.append(clone(server, ensure_template(server, package)))
        return made[-1]

    yield make
    for url in made:
        drop(server, url)


@pytest.fixture
def service_database() -> Iterator[DatabaseFactory]:
    """`service_database("threadly_orders")` makes a migrated database for the test; gives its URL."""
    yield from _factory()


@pytest.fixture(scope="module")
def module_service_database() -> Iterator[DatabaseFactory]:
    """The same, dropped after the module."""
    yield from _factory()


@pytest.fixture
def vhost() -> Iterator[str]:
    """The AMQP URL of an empty virtual host, deleted after the test."""
    from .rabbit import RabbitManagement, vhost_url  # noqa: PLC0415 - as above

    management = RabbitManagement(_address("THREADLY_TEST_AMQP_MANAGEMENT_URL"))
    name = management.make_vhost()
    yield vhost_url(_address("THREADLY_TEST_AMQP_URL"), name)
    management.drop_vhost(name)


@pytest.fixture(scope="session")
def _redis_database() -> Iterator[str]:
    """Claim one of Redis' numbered databases, so that parallel workers and runs do not meet."""
    import redis  # noqa: PLC0415 - as above

    parts = urlsplit(_address("THREADLY_TEST_REDIS_URL"))
    address = urlunsplit((parts.scheme, parts.netloc, "", parts.query, ""))
    with redis.Redis.from_url(f"{address}/0") as claims:
        for number in _REDIS_DATABASES:
            if claims.set(f"threadly-test-database:{number}", "claimed", nx=True, ex=_CLAIM_SECONDS):
                yield f"{address}/{number}"
                claims.delete(f"threadly-test-database:{number}")
                return
    pytest.fail("all of Redis' databases are claimed by other test runs")


@pytest.fixture
def redis_url(_redis_database: str) -> str:
    """The URL of an empty Redis database of this test's own."""
    import redis  # noqa: PLC0415 - as above

    with redis.Redis.from_url(_redis_database) as client:
        client.flushdb()
    return _redis_database


@pytest.fixture
def identity() -> "TestIdentity":
    """A key pair of the test's own, in auth's place."""
    from .identity import TestIdentity  # noqa: PLC0415 - as above

    return TestIdentity()
