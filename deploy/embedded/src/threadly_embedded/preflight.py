"""What must be true before anything starts; each failure is one line that says what to do."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from .errors import LauncherError
from .layout import Layout, variable_of
from .ports import is_taken

OLDEST_PYTHON = (3, 11)
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raise :class:`LauncherError` when this Python is too old."""
    if version < OLDEST_PYTHON:
        raise LauncherError(f"Python {version[0]}.{version[1]} is too old; Threadly needs 3.11 or newer")


def check_tools(path: str | None = None, rabbitmq: Path = _RABBITMQ) -> None:
    """Raise :class:`LauncherError` that names every missing system package, and how to get them."""
    tools = {"setpriv": "util-linux", "nginx": "nginx-light", "epmd": "erlang-base"}
    missing = [
        package
        for tool, package in tools.items()
        if not (shutil.which(tool, path=path) or (path is None and shutil.which(tool, path=_SYSTEM_PATH)))
    ]
    if not rabbitmq.exists():
        missing.append("rabbitmq-server")
    if missing:
        raise LauncherError(f"missing on this machine; install with: apt-get install {' '.join(missing)}")


def check_ports(layout: Layout) -> None:
    """Raise :class:`LauncherError` that names every taken port, by whom, and the setting that moves it."""
    taken = [name for name, port in layout.ports.items() if is_taken(port)]
    if taken:
        faults = [f"{layout.ports[name]} is taken{_by(layout.ports[name])}" for name in taken]
        advice = ", ".join(variable_of(name) for name in taken)
        raise LauncherError(f"port {'; '.join(faults)}: free it or set {advice} (or THREADLY_PORT_OFFSET)")


def _by(port: int) -> str:
    with suppress(psutil.Error):  # an ordinary user may not see whose it is
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and getattr(connection.laddr, "port", 0) == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
