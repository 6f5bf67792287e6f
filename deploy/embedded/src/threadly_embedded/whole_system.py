"""For stories and chaos: a whole system on ports of its own, and the ways to hurt it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .control import read_status
from .layout import Layout, variable_of
from .ports import free_ports
from .supervisor import State


@dataclass(frozen=True)
class RunningSystem:
    """A running system, as whoever started it sees it."""

    layout: Layout
    environment: Mapping[str, str]
    """Every setting of the system, for clients and operators' commands."""

    def pid(self, program: str) -> int:
        """The process that runs a program now; 0 while there is none."""
        return read_status(self.layout).programs[program].pid or 0

    def kill(self, program: str) -> int:
        """End a program's process with SIGKILL; returns the process id it had."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        return pid

    def is_healthy(self) -> bool:
        """Whether every program serves; raises AssertionError naming those that do not."""
        programs = read_status(self.layout).programs
        late = {name: each.reason for name, each in programs.items() if each.state is not State.READY}
        if late:
            raise AssertionError(f"not ready: {late}")
        return True


def _launch(environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - this package's own launcher
        [sys.executable, "-m", "threadly_embedded", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def _exports(text: str) -> dict[str, str]:
    pairs = (line.removeprefix("export ").partition("=") for line in text.splitlines())
    return {name: value.strip("'") for name, _, value in pairs}


@contextmanager
def running_system(folder: Path, **settings: str) -> Iterator[RunningSystem]:
    """Run a system in `folder` on free ports, without demo data; raises AssertionError unless it starts."""
    names = list(Layout.from_environment({"THREADLY_RUN_FOLDER": str(folder)}).ports)
    numbers = free_ports(len(names))
    ports = {variable_of(name): str(port) for name, port in zip(names, numbers, strict=True)}
    # The settings of another running system in this terminal would send this one's services to it.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("THREADLY_")}
    launcher = {**clean, **ports, **settings, "THREADLY_RUN_FOLDER": str(folder)}
    try:
        _launch(launcher, "run", "--no-demo")
        environment = {**launcher, **_exports(_launch(launcher, "env"))}
        yield RunningSystem(Layout.from_environment(launcher), environment)
    finally:
        _launch(launcher, "stop")
