"""Cuts out of ``requirements.lock`` what some packages need, with its hashes.

``python runtime_lock.py requirements.lock threadly-auth …`` prints the pins that the named packages reach
through the lock's ``# via`` comments. The image installs them and leaves out tools and test servers, which
are most of the lock by size. Needs nothing but the standard library: it runs before anything is installed.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==")


def blocks(lock: str) -> dict[str, str]:
    """Return each pin's lines by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if match := _PIN.match(line):
            name = match[1]
        if name:
            found[name] = found.get(name, "") + line
    return found


def wanted_by(block: str) -> set[str]:
    """Return who asks for a pin; a workspace package without the file it says so in."""
    _, _, comment = block.partition("# via")
    lines = (line.strip(" #\n") for line in comment.splitlines())
    return {re.sub(r"\[.*?\]", "", line.split(" (")[0]) for line in lines if line}


def cut(lock: str, roots: Iterable[str]) -> str:
    """Return the part of ``lock`` that ``roots`` need; raises KeyError for a root that needs nothing."""
    pins = blocks(lock)
    wanted = {name: wanted_by(block) for name, block in pins.items()}
    asking = {name for names in wanted.values() for name in names} | set(pins)
    for root in roots:
        if root not in asking:
            raise KeyError(root)
    kept = set(roots)
    while more := {name for name in pins if name not in kept and wanted[name] & kept}:
        kept |= more
    return "".join(pins[name] for name in pins if name in kept)


if __name__ == "__main__":
    sys.stdout.write(cut(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2:]))
