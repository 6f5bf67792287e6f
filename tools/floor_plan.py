"""The plan that every service is built by (docs/seams.md §1), and the lock that pins what they all need."""

import re
import tomllib
from collections.abc import Collection, Iterator
from typing import Any

from .repository import SERVICES, File, package_of
from .rules import Finding

#: What each service has, from its package's folder; a pattern because a migration is named after its change.
_ROOMS = (
    r"__init__\.py",
    r"py\.typed",
    r"main\.py",
    r"worker\.py",
    r"settings\.py",
    r"dependencies\.py",
    r"subscriptions\.py",
    r"storage/tables\.py",
    r"use_cases/\w+\.py",
    r"migrations/versions/0001_\w+\.py",
)
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==[^\s\\;]+", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def missing_rooms(paths: Collection[str]) -> Iterator[Finding]:
    """Name what a service lacks of the plan."""
    for service in SERVICES:
        home = f"services/{service}"
        wanted = [r"README\.md", r"pyproject\.toml", r"tests/(.+/)?test_\w+\.py"]
        wanted += [rf"src/{package_of(service)}/{room}" for room in _ROOMS]
        for pattern in wanted:
            whole = re.compile(rf"{re.escape(home)}/{pattern}")
            if not any(whole.fullmatch(path) for path in paths):
                readable = pattern.replace("\\", "")
                yield Finding("floor-plan", home, 1, f"{readable} is missing")


def normal_name(requirement: str) -> str:
    """The distribution that a requirement is about, as PEP 503 writes it."""
    found = _NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def requirements_of(project: dict[str, Any]) -> Iterator[str]:
    """Every requirement that a pyproject names: its own, its extras', its groups'."""
    table = project.get("project", {})
    yield from table.get("dependencies", ())
    for extra in table.get("optional-dependencies", {}).values():
        yield from extra
    for group in project.get("dependency-groups", {}).values():
        yield from (entry for entry in group if isinstance(entry, str))


def unpinned(pyprojects: Collection[File], lock: str) -> Iterator[Finding]:
    """Name each requirement of a pyproject that the lock does not pin."""
    pinned = {normal_name(name) for name in _PIN.findall(lock)}
    for file in pyprojects:
        for requirement in requirements_of(tomllib.loads(file.text)):
            name = normal_name(requirement)
            if name not in pinned and not name.startswith("threadly-"):
                yield Finding("lock-is-whole", file.path, 1, f"{name} is not pinned in requirements.lock")
