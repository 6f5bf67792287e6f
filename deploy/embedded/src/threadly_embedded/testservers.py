"""PostgreSQL, Redis and RabbitMQ for integration tests, started once for a whole test run.

A host process owns the servers (embedded ones, or containers when a Docker engine answers), writes their
addresses to a record when all of them serve, and ends them when it is told to or when the process that
wanted them is gone. ``python -m threadly_embedded.testservers start`` keeps them between runs.
"""

import argparse
import asyncio
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .containers import containers, engine_answers
from .errors import LauncherError
from .files import write_whole
from .layout import root_folder
from .ports import free_ports
from .servers.postgres import Postgres
from .servers.rabbitmq import RabbitMQ, RabbitPorts
from .servers.redis import Redis
from .supervisor import Supervisor

POSTGRES_URL = "THREADLY_TEST_POSTGRES_URL"
REDIS_URL = "THREADLY_TEST_REDIS_URL"
AMQP_URL = "THREADLY_TEST_AMQP_URL"
AMQP_MANAGEMENT_URL = "THREADLY_TEST_AMQP_MANAGEMENT_URL"
ADDRESSES = (POSTGRES_URL, REDIS_URL, AMQP_URL, AMQP_MANAGEMENT_URL)

_PREFIX = "threadly-test-"
#: A whole run's servers were never seen to hold a third of it.
_ROOM_BYTES = 4 * 1024**3
STOP_SECONDS = 60.0
START_SECONDS = 180.0
"""Longest wait for all three; RabbitMQ took 60 s once on two cores that eight test runs shared."""


@dataclass(frozen=True)
class Record:
    """Running test servers: the process that owns them and where they answer."""

    pid: int
    addresses: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """Return the record in ``path`` if its host still lives, else None."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            os.kill(content["pid"], 0)
        except (OSError, ValueError):
            return None
        return cls(content["pid"], content["addresses"])

    def write(self, path: Path) -> None:
        # The addresses hold passwords.
        write_whole(path, json.dumps({"pid": self.pid, "addresses": self.addresses}, indent=2), mode=0o600)

    def export(self) -> None:
        """Put the addresses into this process' environment, where the fixtures look."""
        os.environ.update(self.addresses)


def kept_record() -> Path:
    """Return where the servers that a developer keeps between runs are recorded."""
    return root_folder() / ".run" / "testservers.json"


#: The hosts that this process started, held until they end: a dropped `Popen` warns while its process runs,
#: and in a suite where warnings are errors that failed whichever test the collector happened to run in.
_started: list[subprocess.Popen[bytes]] = []


def start_host(record: Path, *, owner: int | None = None) -> Record:
    """Start a host process and return when its servers serve.

    Raises :class:`LauncherError` with the host's last words when it fails or takes too long.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    log = record.with_suffix(".log")
    command = [sys.executable, "-m", "threadly_embedded.testservers", "serve", "--record", str(record)]
    if owner is not None:
        command += ["--owner", str(owner)]
    with log.open("wb") as output:
        host = subprocess.Popen(  # noqa: S603 - this package's own module, run by this interpreter
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while host.poll() is None and time.monotonic() < deadline:
        if (found := Record.read(record)) is not None:
            _started.append(host)
            return found
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        host.terminate()
        host.wait(STOP_SECONDS)
    raise LauncherError(f"the test servers did not start: {log.read_text(errors='replace')[-2000:].strip()}")


@atexit.register
def _let_go() -> None:
    """A host may outlive the one of several test processes that started it: no warning at its end."""
    for host in _started:
        host.returncode = host.poll() or 0


def stop_host(record: Path) -> None:
    """Stop the host recorded in ``record`` and return when it has ended; nothing happens if there is none."""
    found = Record.read(record)
    if found is None:
        return
    with suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    # The host removes its record as the last thing it does.
    while Record.read(record) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    for host in [each for each in _started if each.pid == found.pid]:
        host.wait(STOP_SECONDS)
        _started.remove(host)


def serve(record: Path, owner: int | None) -> None:
    """Own the servers until SIGTERM, SIGINT, or until the process ``owner`` is gone."""
    try:
        if engine_answers():
            with containers() as addresses:
                Record(os.getpid(), addresses).write(record)
                asyncio.run(_told_to_end(owner))
            return
        durable = os.environ.get("THREADLY_TEST_FSYNC") == "on"
        # TMPDIR is somebody's word for where such things belong.
        home = None if durable or "TMPDIR" in os.environ else memory_folder()
        prefix = f"{_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=home, ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)  # the servers' user passes through; the servers' own folders are closed
            asyncio.run(_serve_embedded(Path(folder), record, owner, durable=durable))
    finally:
        record.unlink(missing_ok=True)


def memory_folder(
    shared: Path = Path("/dev/shm"),  # noqa: S108 - only folders of our own in it
    room: int = _ROOM_BYTES,
) -> Path | None:
    """Where files are in memory, if there is as much room as `room` bytes; else None.

    Cloning a database of 300 files took the kernel 30 to 190 ms on a disk and 10 in memory, and a whole run
    clones 1,200. What hosts that were killed have left there is removed first: it would occupy memory.
    """
    try:
        for left in shared.glob(f"{_PREFIX}*"):
            host = left.name.removeprefix(_PREFIX).partition("-")[0]
            if host.isdecimal() and not _lives(int(host)):
                shutil.rmtree(left, ignore_errors=True)
        return shared if shutil.disk_usage(shared).free >= room else None
    except OSError:
        return None


async def _serve_embedded(folder: Path, record: Path, owner: int | None, *, durable: bool) -> None:
    postgres_port, redis_port, *rabbit_ports = free_ports(7)
    for name in ("postgres", "redis", "rabbitmq"):
        (folder / name).mkdir()
    postgres = Postgres(folder / "postgres", postgres_port, durable=durable)
    redis = Redis(folder / "redis", redis_port)
    rabbitmq = RabbitMQ(folder / "rabbitmq", RabbitPorts(*rabbit_ports))
    mapper, node = rabbitmq.programs
    # Nothing here outlives the run, and an orderly end takes RabbitMQ seven seconds.
    node = replace(node, stop_signal=signal.SIGKILL)
    supervisor = Supervisor(
        [[mapper], [postgres.program, redis.program, node]], record.parent / "testservers"
    )
    ending = asyncio.create_task(_told_to_end(owner))
    starting = asyncio.create_task(supervisor.start())
    await asyncio.wait([ending, starting], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        addresses = (postgres.admin_url, redis.url, rabbitmq.url, rabbitmq.management_url)
        Record(os.getpid(), dict(zip(ADDRESSES, addresses, strict=True))).write(record)
        await ending
    else:
        for name, standing in supervisor.standings.items():
            print(f"{name} was {standing.state}: {standing.reason}", file=sys.stderr)
    starting.cancel()
    await supervisor.stop()


async def _told_to_end(owner: int | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    while not ended.is_set() and (owner is None or _lives(owner)):
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 1.0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="threadly_embedded.testservers", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start", help="start servers and keep them; test runs find them by themselves")
    commands.add_parser("stop", help="stop the kept servers")
    commands.add_parser("env", help="print the kept servers' addresses as shell exports")
    host = commands.add_parser("serve", help="own servers in the foreground (what start runs)")
    host.add_argument("--record", type=Path, required=True)
    host.add_argument("--owner", type=int, default=None, help="end when this process is gone")
    options = parser.parse_args(arguments)
    if options.command == "serve":
        serve(options.record, options.owner)
        return 0
    try:
        return {"start": _start, "stop": _stop, "env": _env}[options.command]()
    except LauncherError as error:
        print(error, file=sys.stderr)
        return 1


def _start() -> int:
    found = Record.read(kept_record())
    how = "already running"
    if found is None:
        found, how = start_host(kept_record()), "started"
    print(f"test servers {how} (pid {found.pid}); python -m threadly_embedded.testservers stop ends them")
    return 0


def _stop() -> int:
    stop_host(kept_record())
    return 0


def _env() -> int:
    found = Record.read(kept_record())
    if found is None:
        raise LauncherError(
            "no test servers are kept; start them with: python -m threadly_embedded.testservers start"
        )
    for name, value in found.addresses.items():
        print(f"export {name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
