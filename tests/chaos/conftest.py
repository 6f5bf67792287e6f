"""A specimen service in several processes, on servers that may be broken.

`cluster` stands on the test run's shared servers, in a database and a virtual host of its own. `broker` and
`postgres` belong to this suite: they are killed and started again, and `own_cluster` stands on them.
"""

import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.postgres import clone, ensure_template
from threadly_chassis.testing.rabbit import RabbitManagement, vhost_url
from threadly_chassis.testing.service import settings_for
from threadly_chassis.testing.specimen.cluster import Cluster, open_specimen
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN
from threadly_chassis.testing.specimen.load import Load
from threadly_chassis.testing.specimen.service import SUBSCRIPTIONS
from threadly_embedded.breakable import BreakablePostgres, Broker, breakable_broker, breakable_postgres
from threadly_operations.dependencies import OperationsDeps, open_deps
from threadly_operations.settings import OperationsSettings
from threadly_operations.storage.tables import ConsumerRow

#: How long loads last and how often faults come: 1 in the short form, 5 in `make chaos`.
LENGTH = int(os.environ.get("LENGTH") or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here five minutes, and as many times more as it is longer."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300 * LENGTH))


@pytest.fixture(scope="session")
def seed() -> int:
    """`SEED=` repeats a run's choices; the schedule of the machine cannot be repeated."""
    return int(os.environ.get("SEED") or random.randrange(1_000_000))  # noqa: S311 - no secret


@pytest.fixture(scope="session")
def length() -> int:
    """How long a test's load lasts and how often its fault comes."""
    return LENGTH


@pytest.fixture
def ladder() -> Sequence[str]:
    """The waits between tries; a test that wants others is parametrized with `ladder`."""
    return LADDER


@pytest.fixture
async def cluster(
    service_database: Callable[[str], str], vhost: str, tmp_path: Path, ladder: Sequence[str]
) -> AsyncIterator[Cluster]:
    management = RabbitManagement(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    async with open_specimen(service_database(SPECIMEN), vhost, ladder) as specimen:
        cluster = Cluster(specimen, tmp_path, management)
        yield cluster
        cluster.stop()


@contextmanager
def _open_to_servers() -> Iterator[Path]:
    """A folder that the servers' user may pass through; any other run of pytest shuts the present ones."""
    with tempfile.TemporaryDirectory(prefix="threadly-chaos-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Where one test's own servers may keep their files."""
    with _open_to_servers() as folder:
        yield folder


@pytest.fixture(scope="session")
async def broker() -> AsyncIterator[Broker]:
    with _open_to_servers() as folder:
        async with breakable_broker(folder) as broker:
            yield broker


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[BreakablePostgres]:
    with _open_to_servers() as folder:
        async with breakable_postgres(folder) as postgres:
            yield postgres


@pytest.fixture
async def own_cluster(
    broker: Broker, service_database: Callable[[str], str], tmp_path: Path, ladder: Sequence[str]
) -> AsyncIterator[Cluster]:
    """A cluster whose broker may be killed."""
    async with AsyncExitStack() as stack:
        yield await _on(stack, broker, service_database(SPECIMEN), tmp_path, ladder)


@pytest.fixture
async def own_database_cluster(
    postgres: BreakablePostgres, broker: Broker, tmp_path: Path, ladder: Sequence[str]
) -> AsyncIterator[Cluster]:
    """A cluster whose broker and database may be killed."""
    server = postgres.server.admin_url
    database = clone(server, ensure_template(server, SPECIMEN))
    async with AsyncExitStack() as stack:
        yield await _on(stack, broker, database, tmp_path, ladder)


async def _on(
    stack: AsyncExitStack, broker: Broker, database: str, folder: Path, ladder: Sequence[str]
) -> Cluster:
    management = RabbitManagement(broker.management_url)
    name = management.make_vhost()
    stack.callback(management.drop_vhost, name)
    specimen = await stack.enter_async_context(open_specimen(database, vhost_url(broker.url, name), ladder))
    cluster = Cluster(specimen, folder, management)
    stack.callback(cluster.stop)
    return cluster


@pytest.fixture
async def operations(
    cluster: Cluster, service_database: Callable[[str], str], identity: TestIdentity
) -> AsyncIterator[OperationsDeps]:
    """What operations' use cases are handed, on the cluster's broker; the specimen's consumers are known."""
    amqp_url = cluster.specimen.settings.amqp_url.get_secret_value()
    settings = settings_for(
        OperationsSettings, service_database("threadly_operations"), identity, amqp_url=amqp_url
    )
    async with open_deps(settings) as deps:
        async with deps.db.transaction() as tx:
            tx.session.add_all(
                ConsumerRow(name=c.name, service="specimen", release="1", declared_at=deps.clock.now())
                for c in SUBSCRIPTIONS
            )
        yield deps


@pytest.fixture
def load(seed: int, length: int) -> Callable[[Cluster], Load]:
    """`load(cluster)` writes on the cluster's service."""
    print(f"SEED={seed} LENGTH={length}")  # noqa: T201 - shown when the test fails
    return lambda cluster: Load(cluster.specimen, random.Random(seed), length)  # noqa: S311 - no secret
