"""Servers of a test's own that it may kill, start again and command: RabbitMQ and PostgreSQL.

RabbitMQ is a container when a Docker engine answers (4.x), else the machine's package (3.10); PostgreSQL is
always the wheel's, with fsync, since what it forgets in a crash would look like the relay's fault.
"""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import httpx

from .containers import RABBITMQ_IMAGE, engine_answers
from .errors import LauncherError, NotReadyError
from .ports import LOOPBACK, free_ports
from .privileges import server_command
from .program import Program
from .servers.postgres import Postgres
from .servers.rabbitmq import USER, RabbitMQ, RabbitPorts
from .shell import run
from .supervisor import Keeper

_PASSWORD = "test"  # noqa: S105 - opens a throw-away container on loopback
_START_SECONDS = 120.0


class Broker(Protocol):
    """A RabbitMQ node of the test's own, running when it is handed over."""

    @property
    def url(self) -> str:
        """Where AMQP is spoken, with user and password."""
        ...

    @property
    def management_url(self) -> str:
        """The management interface, with user and password."""
        ...

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        ...

    async def start(self) -> None:
        """Start it again on the same ports and data; returns when it serves."""
        ...

    async def control(self, *arguments: str) -> str:
        """Run rabbitmqctl and return what it says; raises :class:`LauncherError` when it refuses."""
        ...


class _Kept:
    """A program that is killed by one signal and not restarted until told so."""

    def __init__(self, program: Program, logs: Path, fatal: signal.Signals) -> None:
        self._program = replace(program, stop_signal=fatal)
        self._logs = logs
        self._keeper: Keeper | None = None

    async def start(self) -> None:
        """Start it; returns when it serves."""
        self._keeper = Keeper(self._program, self._logs, lambda: None)
        self._keeper.start()
        async with asyncio.timeout(_START_SECONDS):
            await self._keeper.ready.wait()

    async def kill(self) -> None:
        """End it by its signal; returns when it is gone."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.stop()


class BreakablePostgres(_Kept):
    """PostgreSQL whose `kill` is an immediate shutdown: no checkpoint, recovery at the next start."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        super().__init__(server.program, server.folder / "logs", signal.SIGQUIT)


class PackagedBroker(_Kept):
    """RabbitMQ from the system package."""

    def __init__(self, folder: Path) -> None:
        self._server = RabbitMQ(folder, RabbitPorts(*free_ports(5)))
        mapper, node = self._server.programs
        self._environment = node.environment
        self._folder = folder
        self._mapper = _Kept(mapper, folder / "logs", signal.SIGKILL)
        super().__init__(node, folder / "logs", signal.SIGKILL)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def management_url(self) -> str:
        return self._server.management_url

    async def open(self) -> None:
        """Start the port mapper and the node for the first time."""
        await self._mapper.start()
        await self.start()

    async def close(self) -> None:
        """End both."""
        await self.kill()
        await self._mapper.kill()

    async def control(self, *arguments: str) -> str:
        command = server_command(("/usr/lib/rabbitmq/bin/rabbitmqctl", *arguments), self._folder)
        return await _said(command, {**self._environment, "PATH": "/usr/bin:/bin"})


class ContainedBroker:
    """RabbitMQ from the image that docker-compose.yml names."""

    def __init__(self) -> None:
        self._name = f"threadly-breakable-{uuid.uuid4().hex[:8]}"
        self._amqp, self._management = free_ports(2)

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{_PASSWORD}@{LOOPBACK}:{self._amqp}/"

    @property
    def management_url(self) -> str:
        return f"http://{USER}:{_PASSWORD}@{LOOPBACK}:{self._management}"

    async def open(self) -> None:
        """Make and start the container."""
        ports = (f"{LOOPBACK}:{self._amqp}:5672", f"{LOOPBACK}:{self._management}:15672")
        # The node is named after its host, and its data after the node.
        options = [option for port in ports for option in ("--publish", port)]
        for name, value in (("USER", USER), ("PASS", _PASSWORD)):
            options += ["--env", f"RABBITMQ_DEFAULT_{name}={value}"]
        await _said(
            ("docker", "create", "--name", self._name, "--hostname", "broker", *options, RABBITMQ_IMAGE)
        )
        await self.start()

    async def start(self) -> None:
        await _said(("docker", "start", self._name))
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    return await asyncio.to_thread(self._check)
                except NotReadyError:
                    await asyncio.sleep(0.1)

    def _check(self) -> None:
        # Docker's proxy accepts connections before the node listens, so the node itself is asked.
        where = f"http://{LOOPBACK}:{self._management}/api/health/checks/port-listener/5672"
        try:
            answer = httpx.get(where, auth=(USER, _PASSWORD), timeout=2, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReadyError(f"management does not answer ({error})") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReadyError(f"management answers {answer.status_code}")

    async def kill(self) -> None:
        await _said(("docker", "kill", self._name))

    async def close(self) -> None:
        """Remove the container with its data."""
        await _said(("docker", "rm", "--force", "--volumes", self._name))

    async def control(self, *arguments: str) -> str:
        return await _said(("docker", "exec", self._name, "rabbitmqctl", *arguments))


async def _said(command: tuple[str, ...], environment: dict[str, str] | None = None) -> str:
    done = await asyncio.to_thread(run, command, environment=environment or {})
    if done.returncode != 0:
        raise LauncherError(f"{command[0]} refused: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@asynccontextmanager
async def breakable_broker(folder: Path) -> AsyncIterator[Broker]:
    """Run a RabbitMQ node in ``folder``, which the servers' user must be able to enter."""
    broker = ContainedBroker() if engine_answers() else PackagedBroker(folder)
    try:
        await broker.open()
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def breakable_postgres(folder: Path) -> AsyncIterator[BreakablePostgres]:
    """Run PostgreSQL in ``folder``, which the servers' user must be able to enter."""
    postgres = BreakablePostgres(Postgres(folder, free_ports(1)[0]))
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.kill()
