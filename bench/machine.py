"""Where and under what a run was made: without it a figure says nothing."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from threadly_chassis.testing.rabbit import RabbitManagement

_LIBRARIES = ("aio-pika", "aiormq", "pamqp", "psycopg", "sqlalchemy", "pydantic", "uvloop")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def load() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def describe(postgres_url: str, management_url: str) -> dict[str, str]:
    """Machine, versions, durability and load, as lines of a report."""
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "select current_setting('server_version'), current_setting('fsync'), "
            "current_setting('synchronous_commit')"
        ).fetchone()
    server, fsync, synchronous = row or ("?", "?", "?")
    overview = RabbitManagement(management_url).call("GET", "overview")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gib():.0f} GiB, "
        f"{platform.platform()}; servers, clients and workers share it",
        "load": f"{load()} when the run began",
        "versions": f"Python {platform.python_version()}, PostgreSQL {server} (fsync={fsync}, "
        f"synchronous_commit={synchronous}), RabbitMQ {overview['rabbitmq_version']} on Erlang "
        f"{overview['erlang_version']}, one node, quorum queues; "
        + ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    }
