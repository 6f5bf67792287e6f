import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from threadly_embedded.errors import LauncherError, NotReadyError
from threadly_embedded.logs import RotatingLog
from threadly_embedded.privileges import die_with_parent
from threadly_embedded.program import Program
from threadly_embedded.supervisor import State, Supervisor
from threadly_embedded.testing import wait_until


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    def check() -> None:
        assert condition()

    await asyncio.to_thread(wait_until, check, what, seconds)


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*stages: list[Program]) -> Supervisor:
        made.append(Supervisor(stages, tmp_path / "logs"))
        return made[-1]

    yield make
    for supervisor in made:
        await supervisor.stop()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Program]:
    """Make a program from a shell text; it is ready when the file named after it exists."""

    def make(name: str, text: str, **options: object) -> Program:
        def check() -> None:
            if not (tmp_path / name).exists():
                raise NotReadyError(f"no file {name}")

        defaults = {"check": check, "stop_seconds": 5.0}
        return Program(
            name=name,
            command=("sh", "-c", dedent(text)),
            folder=tmp_path,
            **(defaults | options),  # type: ignore[arg-type]
        )

    return make


async def test_a_stage_waits_for_the_one_before_it(
    supervise: Callable[..., Supervisor], script: Callable[..., Program], tmp_path: Path
) -> None:
    first = script("first", "while [ ! -e go ]; do sleep 0.02; done; touch first; exec sleep 60")
    second = script("second", "touch second; exec sleep 60")
    supervisor = supervise([first], [second])
    starting = asyncio.create_task(supervisor.start())
    await eventually(lambda: supervisor.standings["first"].reason == "no file first", "the first is asked")
    assert supervisor.standings["second"].state is State.WAITING
    (tmp_path / "go").touch()
    await starting
    assert {standing.state for standing in supervisor.standings.values()} == {State.READY}


async def test_a_broken_program_does_not_keep_the_next_stage_for_ever(
    supervise: Callable[..., Supervisor], script: Callable[..., Program]
) -> None:
    supervisor = supervise([script("broken", "exit 3")], [script("well", "touch well; exec sleep 60")])
    await asyncio.wait_for(asyncio.shield(asyncio.create_task(supervisor.start(0.5))), 10)
    assert supervisor.standings["well"].state is State.READY
    broken = supervisor.standings["broken"]  # between two tries it is "starting" for a moment
    await eventually(lambda: broken.reason.startswith("ended with 3; next try in"), "the reason is told")


async def test_what_dies_is_started_again_after_growing_pauses(
    supervise: Callable[..., Supervisor], script: Callable[..., Program], tmp_path: Path
) -> None:
    supervisor = supervise([script("mortal", "date +%s.%N >> births; exit 1")])
    starting = asyncio.create_task(supervisor.start())
    births = tmp_path / "births"
    await eventually(lambda: births.exists() and len(births.read_text().split()) >= 4, "four births")
    starting.cancel()
    moments = [float(text) for text in births.read_text().split()[:4]]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert [pause >= least for pause, least in zip(pauses, (0.2, 0.4, 0.8), strict=True)] == [True] * 3
    assert supervisor.standings["mortal"].restarts >= 3


async def test_healing_ends_a_pause(
    supervise: Callable[..., Supervisor], script: Callable[..., Program], tmp_path: Path
) -> None:
    program = script("late", "echo >> tries; [ -e cured ] || exit 1; touch late; exec sleep 60")
    supervisor = supervise([program])
    starting = asyncio.create_task(supervisor.start())
    await eventually(lambda: "in 3.2 s" in supervisor.standings["late"].reason, "a long pause", 20)
    (tmp_path / "cured").touch()
    supervisor.heal()
    await asyncio.wait_for(starting, 2)


async def test_a_killed_program_is_ready_again(
    supervise: Callable[..., Supervisor], script: Callable[..., Program]
) -> None:
    supervisor = supervise([script("server", "touch server; exec sleep 60")])
    await supervisor.start()
    first = supervisor.standings["server"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    standing = supervisor.standings["server"]
    await eventually(
        lambda: standing.state is State.READY and standing.pid != first, "a new process is ready"
    )
    assert standing.restarts == 1


async def test_stages_stop_in_the_opposite_order(
    supervise: Callable[..., Supervisor], script: Callable[..., Program], tmp_path: Path
) -> None:
    text = "trap 'echo {0} >> ends; exit 0' TERM; touch {0}; while :; do sleep 0.02; done"
    supervisor = supervise(
        [script("server", text.format("server"))], [script("service", text.format("service"))]
    )
    await supervisor.start()
    await supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["service", "server"]
    assert {standing.state for standing in supervisor.standings.values()} == {State.STOPPED}


async def test_what_does_not_end_in_time_is_killed_with_its_children(
    supervise: Callable[..., Supervisor], script: Callable[..., Program], tmp_path: Path
) -> None:
    stubborn = script(
        "deaf",
        "trap '' TERM; sleep 60 & echo $! > child; touch deaf; while :; do sleep 1; done",
        stop_seconds=0.3,
    )
    supervisor = supervise([stubborn])
    await supervisor.start()
    await asyncio.wait_for(supervisor.stop(), 5)
    child = int((tmp_path / "child").read_text())
    await eventually(lambda: not _lives(child), "the child is gone")
    assert "did not end within 0.3 s: killed" in (tmp_path / "logs" / "deaf.log").read_text()


async def test_a_failing_preparation_is_told_and_tried_again(
    supervise: Callable[..., Supervisor], script: Callable[..., Program]
) -> None:
    faults = [LauncherError("nginx is missing")]

    def prepare() -> None:
        if faults:
            raise faults.pop()

    supervisor = supervise([script("gateway", "touch gateway; exec sleep 60", prepare=prepare)])
    starting = asyncio.create_task(supervisor.start())
    await eventually(
        lambda: "nginx is missing" in supervisor.standings["gateway"].reason, "the fault is told"
    )
    await asyncio.wait_for(starting, 10)


async def test_a_program_sees_its_own_settings_only(
    supervise: Callable[..., Supervisor],
    script: Callable[..., Program],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THREADLY_STRIPE_SECRET_KEY", "of the launcher")
    program = script("env", "env > seen; touch env; exec sleep 60", environment={"THREADLY_MINE": "1"})
    await supervise([program]).start()
    seen = (tmp_path / "seen").read_text()
    assert "THREADLY_MINE=1" in seen
    assert "THREADLY_STRIPE_SECRET_KEY" not in seen


def test_programs_die_with_the_supervisor_however_it_dies(tmp_path: Path) -> None:
    child = die_with_parent(("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    parent = subprocess.Popen(  # noqa: S603 - a command of this test
        (sys.executable, "-c", f"import subprocess; subprocess.run({child!r})"), start_new_session=True
    )
    pid_file = tmp_path / "pid"

    def born() -> None:
        assert pid_file.exists()
        assert pid_file.read_text().strip()

    wait_until(born, "the child runs")
    pid = int(pid_file.read_text())
    parent.kill()
    parent.wait()

    def gone() -> None:
        assert not _lives(pid)

    wait_until(gone, "the child ended with its parent")


def test_a_log_stays_bounded(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "talker.log", largest=1000)
    for number in range(500):
        log.write(b"line %d\n" % number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["talker.log", "talker.log.1"]
    assert all(file.stat().st_size <= 1020 for file in files)
    assert "line 499" in (files[0].read_text() + files[1].read_text())


def _lives(pid: int) -> bool:
    """Tell whether ``pid`` runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
