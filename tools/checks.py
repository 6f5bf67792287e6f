"""Runs every rule of this repository over it: `python -m tools.checks`; exit code 1 and a line per violation.

Exceptions stand with their reasons in `exceptions.toml`; one that nothing needs any more is a violation too.
"""

import sys
import tomllib
from collections.abc import Iterable, Mapping

from .floor_plan import missing_rooms, unpinned
from .repository import ROOT, File, paths, read
from .rules import RULES, Finding

Exceptions = Mapping[str, Mapping[str, str]]


def exceptions() -> Exceptions:
    """Read the exceptions: rule to path to reason."""
    loaded: Exceptions = tomllib.loads((ROOT / "tools/exceptions.toml").read_text())
    return loaded


def without_exceptions(findings: Iterable[Finding], allowed: Exceptions) -> list[Finding]:
    """Leave out what is excepted, and add what is excepted for nothing or without a reason."""
    used = set()
    kept = []
    for finding in findings:
        if allowed.get(finding.rule, {}).get(finding.path):
            used.add((finding.rule, finding.path))
        else:
            kept.append(finding)
    stated = {(rule, path) for rule, reasons in allowed.items() for path in reasons}
    kept += [
        Finding("exceptions", path, 1, f"{rule}: not needed, or without a reason")
        for rule, path in stated - used
    ]
    return sorted(kept)


def judge(files: list[File], every_path: list[str], allowed: Exceptions) -> list[Finding]:
    """Apply every rule to the files, and the floor plan to all paths."""
    findings = [finding for rule in RULES for finding in rule.check(files)]
    findings += missing_rooms(every_path)
    by_path = {file.path: file for file in files}
    pyprojects = [file for file in files if file.path.rpartition("/")[2] == "pyproject.toml"]
    findings += unpinned(pyprojects, by_path["requirements.lock"].text)
    return without_exceptions(findings, allowed)


def main() -> int:
    """Check this repository; returns the exit code."""
    every_path = paths()
    findings = judge(read(every_path), every_path, exceptions())
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
