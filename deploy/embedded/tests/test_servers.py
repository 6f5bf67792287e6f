"""The embedded servers themselves, started anew: who may enter what, and what outlives a restart."""

import os
import stat
from pathlib import Path

import httpx
import psutil
import pytest

from threadly_embedded.errors import LauncherError, NotReadyError
from threadly_embedded.ports import LOOPBACK, free_ports
from threadly_embedded.servers.nginx import render
from threadly_embedded.servers.postgres import Postgres, binary
from threadly_embedded.servers.rabbitmq import RabbitMQ, RabbitPorts
from threadly_embedded.servers.redis import Redis
from threadly_embedded.shell import run
from threadly_embedded.supervisor import Supervisor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)  # the servers' user passes through when root runs the tests
    return tmp_path


def _psql(postgres: Postgres, role: str, password: str, database: str, statement: str) -> tuple[int, str]:
    done = run(
        (binary("psql"), "-qAtX", "-c", statement),
        environment={
            "PGHOST": LOOPBACK,
            "PGPORT": str(postgres.port),
            "PGUSER": role,
            "PGPASSWORD": password,
            "PGDATABASE": database,
        },
    )
    return done.returncode, done.stdout + done.stderr


async def test_each_service_enters_its_own_database_only(folder: Path) -> None:
    """Architecture §1: each service has its own database and role; no cross grants."""
    postgres = Postgres(folder, free_ports(1)[0], durable=False)
    supervisor = Supervisor([[postgres.program]], folder / "logs")
    await supervisor.start()
    try:
        for _ in range(2):  # repeating changes nothing
            postgres.provide("threadly_orders", "one")
            postgres.provide("threadly_catalog", "two")
        assert _psql(
            postgres, "threadly_orders", "one", "threadly_orders", "create table t (); select 1"
        ) == (0, "1\n")
        code, said = _psql(postgres, "threadly_orders", "one", "threadly_catalog", "select 1")
        assert code != 0
        assert "permission denied for database" in said
        code, said = _psql(postgres, "threadly_orders", "two", "threadly_orders", "select 1")
        assert code != 0
        assert "password authentication failed" in said
    finally:
        await supervisor.stop()


async def test_data_and_password_outlive_a_restart(folder: Path) -> None:
    postgres = Postgres(folder, free_ports(1)[0])
    for statement, expected in (("create table kept (); select 1", "1\n"), ("table kept", "")):
        supervisor = Supervisor([[postgres.program]], folder / "logs")
        await supervisor.start()
        postgres.provide("threadly_orders", "one")
        assert _psql(postgres, "threadly_orders", "one", "threadly_orders", statement) == (0, expected)
        await supervisor.stop()
    with pytest.raises(NotReadyError, match="no response"):
        postgres.check()


async def test_redis_wants_its_password_and_forgets_rather_than_grows(folder: Path) -> None:
    redis = Redis(folder, free_ports(1)[0])
    supervisor = Supervisor([[redis.program]], folder / "logs")
    await supervisor.start()
    try:
        (folder / "password").chmod(0o600)
        secret = (folder / "password").read_text()
        (folder / "password").write_text("wrong")
        with pytest.raises(NotReadyError, match="WRONGPASS"):
            redis.check()
        (folder / "password").write_text(secret)
        redis.check()
        assert "maxmemory-policy allkeys-lru" in (folder / "redis.conf").read_text()
        assert stat.S_IMODE((folder / "redis.conf").stat().st_mode) == 0o600
    finally:
        await supervisor.stop()


@pytest.fixture
def two_nodes(folder: Path) -> list[RabbitMQ]:
    nodes = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        nodes.append(RabbitMQ(folder / name, RabbitPorts(*free_ports(5))))
    return nodes


@pytest.mark.timeout(240)
async def test_two_brokers_live_beside_each_other(two_nodes: list[RabbitMQ], folder: Path) -> None:
    """A second system on the machine, or the system's own RabbitMQ, is no trouble."""
    supervisors = []
    for node in two_nodes:
        mapper, program = node.programs
        supervisors.append(Supervisor([[mapper], [program]], node.folder / "logs"))
    try:
        for supervisor in supervisors:
            await supervisor.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            overviews = [await client.get(f"{node.management_url}/api/overview") for node in two_nodes]
            assert len({overview.json()["node"] for overview in overviews}) == 2
            url = f"http://{LOOPBACK}:{two_nodes[0].ports.management}/api/overview"
            assert (await client.get(url)).status_code == 401
            assert (await client.get(url, auth=("guest", "guest"))).status_code == 401
    finally:
        for supervisor in supervisors:
            await supervisor.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a right to give away")
async def test_root_may_clone_where_nobody_else_can_enter(folder: Path) -> None:
    """PostgreSQL refuses root, and its other user cannot enter /root (mode 700)."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "postgres").mkdir()
    postgres = Postgres(closed / "postgres", free_ports(1)[0], durable=False)
    supervisor = Supervisor([[postgres.program]], folder / "logs")
    await supervisor.start()
    try:
        pid = supervisor.standings["postgres"].pid
        assert psutil.Process(pid).username() == "nobody"
        postgres.provide("threadly_orders", "one")
    finally:
        await supervisor.stop()


def test_a_template_without_its_value_is_named() -> None:
    assert (
        render("listen ${THREADLY_GATEWAY_LISTEN}; $uri", {"THREADLY_GATEWAY_LISTEN": "1"})
        == "listen 1; $uri"
    )
    with pytest.raises(LauncherError, match="wants THREADLY_GATEWAY_LISTEN, which has no value"):
        render("${THREADLY_GATEWAY_LISTEN}", {})
