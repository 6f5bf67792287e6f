"""Speaks with the daemon: is it there, what does it know, start it, stop it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from .errors import LauncherError
from .layout import Layout, root_folder
from .supervisor import Standing, State

STOP_SECONDS = 90.0
"""Services drain for up to 30 s, then the gateway's and RabbitMQ's own ends."""


@dataclass(frozen=True)
class Status:
    """What the daemon last wrote about itself and its programs."""

    pid: int = 0
    phase: str = "stopped"
    fault: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    programs: Mapping[str, Standing] = field(default_factory=dict)


def is_running(layout: Layout) -> bool:
    """Tell whether a daemon holds the lock; a killed one does not, whatever files it left."""
    if not layout.lock.exists():
        return False
    with layout.lock.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read_status(layout: Layout) -> Status:
    """Return what the daemon last wrote; nothing known when there was none."""
    try:
        content = json.loads(layout.status.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Status()
    programs = {
        name: Standing(**{**standing, "state": State(standing["state"])})
        for name, standing in content["programs"].items()
    }
    return Status(content["pid"], content["phase"], content["fault"], content["ports"], programs)


def as_running(layout: Layout) -> Layout:
    """Return the layout that the daemon was started with; this terminal may lack its port settings."""
    ports = read_status(layout).ports if is_running(layout) else {}
    return replace(layout, ports=ports) if ports else layout


def start_daemon(layout: Layout) -> subprocess.Popen[bytes]:
    """Start the daemon in a session of its own, so that it outlives this terminal."""
    layout.status.unlink(missing_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)
    with (layout.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            (sys.executable, "-m", "threadly_embedded.daemon"),
            cwd=root_folder(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def heal_daemon(layout: Layout) -> None:
    """Have the daemon try at once to start whatever is down."""
    with suppress(ProcessLookupError):
        os.kill(read_status(layout).pid, signal.SIGHUP)


def stop_daemon(layout: Layout) -> bool:
    """Stop the system and return when it has ended; False when none ran.

    Raises :class:`LauncherError` when it does not end in time.
    """
    if not is_running(layout):
        return False
    deadline = time.monotonic() + STOP_SECONDS
    while is_running(layout):
        with suppress(ProcessLookupError):
            if pid := read_status(layout).pid:
                os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise LauncherError(f"the system does not end within {STOP_SECONDS:g} s; see {layout.logs}")
        time.sleep(0.2)
    return True
