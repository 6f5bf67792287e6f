"""Worker processes that may be killed, forked from one that has imported everything.

Importing costs a worker 2.6 s of processor time, its life in a test half of that. On a busy machine the
imports of a crash loop's six processes took longer than any patience.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path

from ...messaging import fault_points

_forking = multiprocessing.get_context("forkserver")
_PRELOADED = ("worker", "service", "newer", "strict", "stubborn", "ringing")


def _become(module: str, environment: Mapping[str, str], log: str) -> None:
    """Be a worker that was started with this environment; runs in the new process."""
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(output, standard)
    # It was imported by the process this one was forked from, under another environment.
    importlib.reload(fault_points)
    importlib.import_module(module).main()


class Process:
    """A worker process and the port of its door; speaks like `subprocess.Popen`."""

    def __init__(
        self, module: str, port: int, environment: Mapping[str, str], log: Path = Path(os.devnull)
    ) -> None:
        package = __name__.rpartition(".")[0]
        _forking.set_forkserver_preload([f"{package}.{name}" for name in _PRELOADED])
        self.port = port
        self._process = _forking.Process(
            target=_become, args=(module, dict(environment), str(log)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """How it ended: a signal is negative; None while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Tell how it ended; None while it lives."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        if not wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        self._process.join()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended hears nothing."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)
