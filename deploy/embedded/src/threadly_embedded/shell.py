"""Runs a program to its end and hands back what it said."""

import os
import subprocess
from collections.abc import Mapping, Sequence


def run(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` (never through a shell) and return its exit code and output.

    ``environment`` adds to this process' own. Raises :class:`subprocess.TimeoutExpired` after ``timeout``
    seconds.
    """
    return subprocess.run(  # noqa: S603 - a launcher's business; commands are built here, not read from outside
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
