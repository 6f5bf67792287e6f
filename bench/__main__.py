"""`python -m bench [--quick] [--only NAME …] [--check]`: run, print, write."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from threadly_chassis.observability.logging import configure_logging
from threadly_embedded.errors import LauncherError

from . import machine
from .measures import append, catch_up, consumer, latency, recovery, relay, sending
from .others import Others, calm
from .place import Servers, private_servers
from .report import Verdict, as_json, as_markdown, summary, table
from .scale import FULL, QUICK, Scale

Measure = Callable[[Servers, Scale], Awaitable[list[Verdict]]]

MEASURES: dict[str, Measure] = {
    "relay": relay.measure,
    "consumer": consumer.measure,
    "append": append.measure,
    "sending": sending.measure,
    "latency": latency.measure,
    "catch-up": catch_up.measure,
    "recovery": recovery.measure,
}
_RESULTS = Path(".run") / "bench"


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the event core.")
    parser.add_argument("--quick", action="store_true", help="small counts, under four minutes")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is not met")
    parser.add_argument("--document", type=Path, help="write the result as a page, too")
    return parser.parse_args(given)


async def _run(servers: Servers, scale: Scale, names: list[str]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for name in names:
        waited = await calm(scale.calm_seconds)
        _say(f"measuring {name} (waited {waited:.0f} s for others to be calm) …")
        verdicts += await _measured(name, servers, scale)
    return verdicts


async def _measured(name: str, servers: Servers, scale: Scale) -> list[Verdict]:
    others, began = Others(), time.monotonic()
    try:
        async with asyncio.timeout(scale.most_seconds):
            verdicts = await MEASURES[name](servers, scale)
    except Exception as error:  # noqa: BLE001 - the other measures' figures are not to be lost with this one
        _say(f"{name} failed: {error!r}")
        seconds = time.monotonic() - began
        return [Verdict(measure=name, unit="", ours=0.0, met=False, seconds=seconds, notes=repr(error))]
    return [replace(verdict, others=round(others.cores, 2)) for verdict in verdicts]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _write(options: argparse.Namespace, verdicts: list[Verdict], circumstances: dict[str, str]) -> Path:
    _RESULTS.mkdir(parents=True, exist_ok=True)
    path = _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(as_json(verdicts, circumstances), encoding="utf-8")
    if options.document:
        options.document.write_text(as_markdown(verdicts, circumstances), encoding="utf-8")
    return path


def main(given: list[str]) -> int:
    """Run the bench; returns the exit code."""
    options = _arguments(given)
    configure_logging("bench", "ERROR")
    scale, started = QUICK if options.quick else FULL, time.monotonic()
    try:
        with private_servers() as servers:
            circumstances = machine.describe(servers.postgres, servers.management)
            verdicts = uvloop.run(_run(servers, scale, options.only))
    except LauncherError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    circumstances["scale"] = "quick" if options.quick else "full"
    circumstances["duration"] = f"{time.monotonic() - started:.0f} s; load {machine.load()} when it ended"
    path = _write(options, verdicts, circumstances)
    for name, fact in circumstances.items():
        sys.stdout.write(f"{name}: {fact}\n")
    sys.stdout.write(f"\n{table(verdicts)}\n\n{summary(verdicts)}\n{path}\n")
    return 1 if options.check and any(verdict.met is False for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
