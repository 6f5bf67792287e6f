"""The process that keeps the system running after ``make run`` has ended.

Its word is the status file; its ears are signals: SIGTERM and SIGINT stop everything in order, SIGHUP ends
the pauses between restarts. It holds the lock file as long as it lives.
"""

import asyncio
import fcntl
import json
import os
import signal
import sys
from dataclasses import asdict
from time import time

from .environment import own_settings
from .errors import LauncherError
from .files import write_whole
from .layout import Layout
from .supervisor import Supervisor
from .system import System

PATIENCE = 45.0
"""Seconds for the services to get ready before the gateway opens without the missing ones."""


class Daemon:
    """Starts the system in its order and keeps it until told to stop."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._layout = system.layout
        self._phase = "servers"
        self._fault = ""
        self._changed = asyncio.Event()
        self._servers = Supervisor(system.servers, self._layout.logs, self._changed.set)
        self._applications = Supervisor(system.applications, self._layout.logs, self._changed.set)

    async def run(self) -> int:
        """Run until stopped; returns the exit code."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._heal)
        reporting = asyncio.create_task(self._report(), name="report")
        starting = asyncio.create_task(self._start(), name="start")
        stop = asyncio.create_task(stopped.wait(), name="stop")
        try:
            await asyncio.wait([stop, starting], return_when=asyncio.FIRST_COMPLETED)
            if not stop.done():
                starting.result()
                await stop
        except LauncherError as error:
            self._fault = str(error)
        starting.cancel()
        self._enter("stopping")
        await self._applications.stop()
        await self._servers.stop()
        self._enter("failed" if self._fault else "stopped")
        reporting.cancel()
        self._write()
        return 1 if self._fault else 0

    async def _start(self) -> None:
        await self._servers.start()
        self._enter("migrations")
        await asyncio.to_thread(self._system.provide_databases)
        await asyncio.to_thread(self._system.migrate)
        await asyncio.to_thread(self._system.declare_topology)
        self._enter("services")
        await self._applications.start(PATIENCE)
        self._enter("running")

    def _heal(self) -> None:
        self._servers.heal()
        self._applications.heal()

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._changed.set()

    async def _report(self) -> None:
        """Write the status whenever it changed, at most ten times a second."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._write()
            await asyncio.sleep(0.1)

    def _write(self) -> None:
        standings = self._servers.standings | self._applications.standings
        status = {
            "pid": os.getpid(),
            "phase": self._phase,
            "fault": self._fault,
            "ports": dict(self._layout.ports),
            "written": time(),
            "programs": {name: asdict(standing) for name, standing in standings.items()},
        }
        write_whole(self._layout.status, json.dumps(status, indent=2))


def main() -> int:
    """Run the daemon unless one runs; returns the exit code."""
    own = own_settings()
    system = System.at(Layout.from_environment(own), own)
    system.make_folders()
    with system.layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return asyncio.run(_run(system))


async def _run(system: System) -> int:
    return await Daemon(system).run()


if __name__ == "__main__":
    sys.exit(main())
