"""The launcher's command line, which the Makefile calls: run, stop, status, logs, reset, migrate, env."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from . import control
from .environment import own_settings, python_settings
from .errors import LauncherError, NotReadyError
from .layout import Layout
from .preflight import check_ports, check_python, check_tools
from .program import Program
from .servers.redis import binary as find_redis
from .shell import show
from .supervisor import State
from .system import System

READY_SECONDS = 240.0
"""Longest wait for everything; a first start took 25 s on two free cores, 150 s on two busy ones."""

HOPELESS = 6
"""Restarts after which waiting for a program is given up; the daemon itself goes on trying."""


def run(system: System, *, demo: bool) -> None:
    """Start the system, or what of it is missing, and say where it is."""
    check_python()
    check_tools()
    find_redis()
    if control.is_running(system.layout):
        print("Threadly is already running; starting what is missing.")
        control.heal_daemon(system.layout)
    else:
        check_ports(system.layout)
        system.make_folders()
        control.start_daemon(system.layout)
    _follow_start(system.layout)
    if demo:
        _load_demo(system)
    _say_where(system)
    if not _print_health(system):
        raise LauncherError("not everything is healthy; see above")


def stop(layout: Layout) -> None:
    """Stop the system."""
    if control.is_running(layout):
        print("Stopping; what is under way is finished first (at most 30 s).")
    print("Threadly has stopped." if control.stop_daemon(layout) else "Threadly is not running.")


def reset(layout: Layout) -> None:
    """Stop the system and delete its data, passwords and logs."""
    print(f"Deleting all data, passwords and logs in {layout.folder}: every listing, order and message.")
    control.stop_daemon(layout)
    for place in (layout.data, layout.secrets, layout.logs):
        shutil.rmtree(place, ignore_errors=True)
    layout.status.unlink(missing_ok=True)
    print("Deleted. make run starts afresh.")


def status(system: System) -> None:
    """Print a line per process; raises :class:`LauncherError` unless all are healthy."""
    if not control.is_running(system.layout):
        raise LauncherError("Threadly is not running; start it with: make run")
    if not _print_health(system):
        raise LauncherError("not everything is healthy; make logs SERVICE=<name> shows more")


def logs(layout: Layout, service: str) -> None:
    """Follow the logs of one service's processes, or of all."""
    files = sorted(layout.logs.glob("*.log"))
    if service:
        files = [file for file in files if file.stem in {service, f"{service}-worker"}]
    if not files:
        raise LauncherError(f"no logs of {service or 'anything'} in {layout.logs}")
    # tail -F outlives the rotation of what it reads.
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])  # noqa: S606, S607 - the standard tool


def migrate(system: System) -> None:
    """Bring the databases of the running system up to date."""
    if not control.is_running(system.layout):
        raise LauncherError("the databases are not running; make run starts and migrates them")
    system.provide_databases()
    print(system.migrate().rstrip())


def env(system: System) -> None:
    """Print the system's settings as shell exports, for clients and tools."""
    for name, value in sorted(system.settings.items()):
        print(f"export {name}='{value}'")


def _follow_start(layout: Layout) -> None:
    """Print each program as it gets ready; raises :class:`LauncherError` when it fails or takes too long."""
    shown: set[str] = set()
    begun, phase = time.monotonic(), ""
    before = {name: standing.restarts for name, standing in control.read_status(layout).programs.items()}
    while time.monotonic() < begun + READY_SECONDS:
        found = control.read_status(layout)
        if found.phase == "failed":
            raise LauncherError(found.fault)
        if found.phase != phase and found.pid:
            phase = found.phase
            print(f"[{time.monotonic() - begun:5.1f} s] {phase}", flush=True)
        for name, standing in found.programs.items():
            if standing.state is State.READY and name not in shown:
                shown.add(name)
                print(f"[{time.monotonic() - begun:5.1f} s]   {name} is ready", flush=True)
        if phase == "running" and shown == set(found.programs):
            return
        if _is_hopeless(found, before):
            break
        time.sleep(0.1)
    found = control.read_status(layout)
    late = [f"{n} ({s.reason or s.state})" for n, s in found.programs.items() if s.state is not State.READY]
    raise LauncherError(
        f"not ready after {time.monotonic() - begun:.0f} s: {', '.join(late)}; see {layout.logs}"
    )


def _is_hopeless(found: control.Status, before: Mapping[str, int]) -> bool:
    return any(s.restarts - before.get(name, 0) >= HOPELESS for name, s in found.programs.items())


def _load_demo(system: System) -> None:
    if find_spec("threadly_demo.load") is None:
        return
    environment = {**system.settings, **python_settings(system.layout)}
    if show((sys.executable, "-m", "threadly_demo.load"), environment=environment) != 0:
        raise LauncherError("the demo data did not load; see above, and make logs")


def _say_where(system: System) -> None:
    layout = system.layout
    print(f"""
  API              {layout.public_url}/v1
  API reference    {layout.public_url}/docs
  Operators' page  {layout.operators_url}
  Sandbox          {layout.sandbox_url}   (sign in, mails, payments, pushes)
""")
    if find_spec("threadly_demo.accounts") is not None:
        show((sys.executable, "-m", "threadly_demo.accounts"), environment=system.settings)
        print()


def _print_health(system: System) -> bool:
    """Print a line per program, asked now; returns whether all are healthy."""
    standings = control.read_status(system.layout).programs
    with ThreadPoolExecutor(8) as pool:
        faults = list(pool.map(_fault_of, system.programs))
    for program, fault in zip(system.programs, faults, strict=True):
        standing = standings.get(program.name)
        restarts = f"  restarted {standing.restarts} times" if standing and standing.restarts else ""
        why = f": {standing.reason or fault}" if fault and standing else f": {fault}"
        print(f"  {program.name:<22}{'healthy' if not fault else 'NOT healthy' + why}{restarts}")
    return not any(faults)


def _fault_of(program: Program) -> str:
    try:
        program.check()
    except NotReadyError as error:
        return str(error)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 1, after one line on stderr, when a person must act."""
    parser = argparse.ArgumentParser(prog="threadly_embedded", description="Runs Threadly on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("run", help="start the system, or what is missing of it")
    starting.add_argument("--no-demo", action="store_true", help="leave the databases as they are")
    commands.add_parser("stop", help="stop the system")
    commands.add_parser("status", help="a line per process: healthy or why not")
    commands.add_parser("logs", help="follow the logs").add_argument("service", nargs="?", default="")
    commands.add_parser("reset", help="stop and delete all data")
    commands.add_parser("migrate", help="bring the running databases up to date")
    commands.add_parser("env", help="print the settings as shell exports")
    options = parser.parse_args(arguments)
    try:
        _dispatch(options)
    except LauncherError as error:
        print(f"threadly: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _dispatch(options: argparse.Namespace) -> None:
    own = own_settings()
    system = System.at(control.as_running(Layout.from_environment(own)), own)
    match options.command:
        case "run":
            run(system, demo=not options.no_demo)
        case "stop":
            stop(system.layout)
        case "status":
            status(system)
        case "logs":
            logs(system.layout, options.service)
        case "reset":
            reset(system.layout)
        case "migrate":
            migrate(system)
        case _:
            env(system)


if __name__ == "__main__":
    sys.exit(main())
