"""One operating-system process that is kept running: how to start it, judge it and stop it."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def nothing() -> None:
    """Stand where a program needs no preparation or has no check but being alive."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to start, judge and stop one process."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = nothing
    """Runs before every start; may block; raises :class:`LauncherError`."""
    check: Callable[[], None] = nothing
    """Returns when the program serves, or raises :class:`NotReadyError` with the reason; blocks ≤ 3 s."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 30.0
    ready_seconds: float = 60.0
