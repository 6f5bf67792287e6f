"""This repository keeps its own rules (R-SYS-01, R-SYS-02)."""

import pytest
from tools.checks import exceptions, judge
from tools.repository import File, paths, read
from tools.rules import RULES, Finding


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    every_path = paths()
    return judge(read(every_path), every_path, exceptions())


@pytest.mark.parametrize(
    "rule", [*(rule.name for rule in RULES), "floor-plan", "lock-is-whole", "exceptions"]
)
def test_nothing_breaks_the_rule(rule: str, findings: list[Finding]) -> None:
    """R-SYS-01: one plan for every service; the rules that no off-the-shelf linter knows hold everywhere."""
    assert [str(finding) for finding in findings if finding.rule == rule] == []


def test_every_exception_says_why() -> None:
    for rule, reasons in exceptions().items():
        assert rule in {known.name for known in RULES}
        assert all(len(reason.split()) >= 5 for reason in reasons.values()), rule


def test_git_says_which_files_there_are() -> None:
    found = paths()
    assert "requirements.lock" in found
    assert "tests/architecture/test_floor_plan.py" in found
    assert not [path for path in found if path.startswith((".venv/", ".run/"))]
    assert File("tools/__init__.py", (read(["tools/__init__.py"])[0]).text).text
