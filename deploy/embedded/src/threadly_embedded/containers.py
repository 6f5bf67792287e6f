"""The test servers as containers, the same versions that docker-compose.yml runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .shell import run

POSTGRES_IMAGE = "postgres:17"
REDIS_IMAGE = "redis:8"
RABBITMQ_IMAGE = "rabbitmq:4-management"
_USER = "threadly"
_PASSWORD = "test"  # noqa: S105 - opens a throw-away container on loopback


def engine_answers() -> bool:
    """Tell whether a Docker engine is there and wanted (``THREADLY_TEST_SERVERS=embedded`` says no)."""
    if os.environ.get("THREADLY_TEST_SERVERS") == "embedded" or shutil.which("docker") is None:
        return False
    try:
        answer = run(("docker", "info", "--format", "{{.ServerVersion}}"), timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0


@contextmanager
def containers() -> Iterator[dict[str, str]]:
    """Run the three containers and yield their addresses by environment variable."""
    # Imported here: it is a tool of the test run and slow to import, and most runs use embedded servers.
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - see above
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415 - see above

    postgres = (
        DockerContainer(POSTGRES_IMAGE)
        .with_env("POSTGRES_USER", _USER)
        .with_env("POSTGRES_PASSWORD", _PASSWORD)
        .with_command(
            "postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300"
            " -c authentication_timeout=5s"
        )
        .with_exposed_ports(5432)
        # The image starts a first server for its own set-up and then the real one.
        .waiting_for(LogMessageWaitStrategy("database system is ready to accept connections", times=2))
    )
    redis = (
        DockerContainer(REDIS_IMAGE)
        .with_exposed_ports(6379)
        .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    )
    rabbitmq = (
        DockerContainer(RABBITMQ_IMAGE)
        .with_env("RABBITMQ_DEFAULT_USER", _USER)
        .with_env("RABBITMQ_DEFAULT_PASS", _PASSWORD)
        .with_exposed_ports(5672, 15672)
        .waiting_for(LogMessageWaitStrategy("Server startup complete"))
    )
    with ExitStack() as stack:
        for container in (rabbitmq, postgres, redis):
            stack.enter_context(container)

        def at(container: DockerContainer, port: int) -> str:
            return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"

        login = f"{_USER}:{_PASSWORD}"
        yield {
            "THREADLY_TEST_POSTGRES_URL": f"postgresql://{login}@{at(postgres, 5432)}/postgres",
            "THREADLY_TEST_REDIS_URL": f"redis://{at(redis, 6379)}/0",
            "THREADLY_TEST_AMQP_URL": f"amqp://{login}@{at(rabbitmq, 5672)}/",
            "THREADLY_TEST_AMQP_MANAGEMENT_URL": f"http://{login}@{at(rabbitmq, 15672)}",
        }
