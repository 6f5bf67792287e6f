"""R-SYS: the whole system on one machine: it starts, heals what dies, and leaves nothing behind."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from threadly_embedded.control import is_running, read_status
from threadly_embedded.errors import LauncherError
from threadly_embedded.layout import Layout
from threadly_embedded.preflight import check_ports
from threadly_embedded.supervisor import State
from threadly_embedded.testing import wait_until

pytestmark = [pytest.mark.story, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Launcher:
    """The launcher's command line, for a system beside all others."""

    layout: Layout
    environment: dict[str, str]

    def __call__(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - this package's own module
            (sys.executable, "-m", "threadly_embedded", command, *options),
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def pids(self) -> dict[str, int]:
        return {name: s.pid for name, s in read_status(self.layout).programs.items() if s.pid}


def _free_offset() -> str:
    for _ in range(50):
        offset = str(random.randrange(3_000, 24_000))  # noqa: S311 - only to be apart from other systems
        try:
            check_ports(Layout.from_environment({"THREADLY_PORT_OFFSET": offset}))
        except LauncherError:
            continue
        return offset
    pytest.fail("no free block of ports")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    folder = tmp_path_factory.mktemp("system")
    for place in (folder, *list(folder.parents)[:2]):
        place.chmod(0o755)  # the servers' user passes through when root runs the tests
    environment = {"THREADLY_RUN_FOLDER": str(folder), "THREADLY_PORT_OFFSET": _free_offset()}
    launcher = Launcher(Layout.from_environment(environment), environment)
    yield launcher
    launcher("reset")


@pytest.fixture(scope="module")
def system(launcher: Launcher) -> Launcher:
    done = launcher("run", "--no-demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return launcher


def test_a_running_system_says_where_it_is_and_how_it_is(system: Launcher) -> None:
    again = system("run", "--no-demo")
    assert again.returncode == 0, again.stderr
    assert "already running" in again.stdout
    assert system.layout.public_url in again.stdout
    status = system("status")
    assert status.returncode == 0
    lines = [line.split()[:2] for line in status.stdout.splitlines()]
    assert len(lines) == 20
    assert {verdict for _, verdict in lines} == {"healthy"}


def test_the_gateway_serves_and_asks_strangers_to_sign_in(system: Launcher) -> None:
    with httpx.Client(base_url=system.layout.public_url, trust_env=False) as client:
        assert client.get("/v1/products").status_code == 200
        refused = client.get("/v1/orders")
    assert refused.status_code == 401
    assert refused.json()["sign_in_url"] == f"http://127.0.0.1:{system.layout.ports['sandbox_clerk']}/sign-in"


def test_what_is_killed_comes_back(system: Launcher) -> None:
    before = system.pids()
    killed = ("orders", "catalog-worker", "redis", "postgres", "gateway")
    for name in killed:
        os.kill(before[name], signal.SIGKILL)

    def healed() -> None:
        programs = read_status(system.layout).programs
        assert [name for name in killed if programs[name].restarts == 0] == []
        assert [name for name, standing in programs.items() if standing.state is not State.READY] == []

    def said_so() -> None:
        # A worker that had PostgreSQL or Redis when they died may end only now, after a first "ready".
        status = system("status")
        assert status.returncode == 0, status.stdout

    wait_until(healed, "everything is ready again", 120)
    wait_until(said_so, "status says so", 60)
    now = system.pids()
    assert [name for name in killed if now[name] == before[name]] == []


def test_a_killed_supervisor_leaves_nothing_running_and_run_starts_anew(system: Launcher) -> None:
    pids = system.pids()
    os.kill(read_status(system.layout).pid, signal.SIGKILL)

    def gone() -> None:
        assert [name for name, pid in pids.items() if psutil.pid_exists(pid)] == []

    wait_until(gone, "every process followed its supervisor", 60)
    assert system("status").stderr == "threadly: Threadly is not running; start it with: make run\n"
    done = system("run", "--no-demo")
    assert done.returncode == 0, done.stdout + done.stderr


def test_stop_ends_everything_and_reset_deletes_it(system: Launcher) -> None:
    pids = system.pids()
    assert system("stop").returncode == 0
    assert [name for name, pid in pids.items() if psutil.pid_exists(pid)] == []
    check_ports(system.layout)
    assert system("stop").stdout == "Threadly is not running.\n"
    said = system("reset").stdout
    assert f"Deleting all data, passwords and logs in {system.layout.folder}" in said
    assert not is_running(system.layout)
    left = {path.name for path in system.layout.folder.iterdir()}
    assert left <= {"supervisor.lock", "pycache"}
