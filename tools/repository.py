"""Where things are: the root, the services, the files that git knows or would take."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SERVICES = ("auth", "catalog", "search-indexer", "messaging", "orders", "notifier", "operations")


def package_of(service: str) -> str:
    """The import package of a service: `search-indexer` lives in `threadly_search_indexer`."""
    return f"threadly_{service.replace('-', '_')}"


@dataclass(frozen=True)
class File:
    """One text file of the repository: its path from the root, and what it says."""

    path: str
    text: str


def paths() -> list[str]:
    """Every file that git tracks or would take with the next `git add`, sorted.

    New files count before they are committed, so that a check speaks while its answer is still cheap.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed words
    return sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file())


def read(chosen: Iterable[str]) -> list[File]:
    """Read the files that are text; pictures and other bytes are left out."""
    files = []
    for path in chosen:
        try:
            files.append(File(path, (ROOT / path).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return files
