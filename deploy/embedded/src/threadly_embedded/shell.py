"""Runs a program to its end and hands back what it said."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    quiet: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` (never through a shell) and return its exit code and output.

    ``environment`` adds to this process' own. ``quiet`` sends the standard output to /dev/null, which any
    user may open anew. Raises :class:`subprocess.TimeoutExpired` after ``timeout`` seconds.
    """
    return subprocess.run(  # noqa: S603 - a launcher's business; commands are built here, not read from outside
        command,
        check=False,
        stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )


def show(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run ``command`` with its output on this terminal; return its exit code."""
    sys.stdout.flush()
    return subprocess.run(  # noqa: S603 - see above
        command, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
    ).returncode
