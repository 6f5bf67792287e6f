"""docs/event-core.md names a test for every promise, and each of them is there."""

import ast
import re
from pathlib import Path

from tools.repository import ROOT

_PAGE = ROOT / "docs/event-core.md"
_NAMED = re.compile(r"`([\w./-]+\.py)::(test_\w+)`")
#: Where a path without one of the repository's folders before it belongs.
_HOME = ROOT / "libs/chassis/tests"


def defined_in(file: Path) -> set[str]:
    """The names of the tests that a file defines; none when there is no such file."""
    if not file.exists():
        return set()
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def missing(page: str) -> list[str]:
    """The tests that a page names and nobody has written."""
    gone = []
    for path, test in _NAMED.findall(page):
        is_whole = path.startswith(("libs/", "services/", "tests/"))
        if test not in defined_in(ROOT / path if is_whole else _HOME / path):
            gone.append(f"{path}::{test}")
    return gone


def unproved(page: str) -> list[str]:
    """The promises in a page's tables that name no test."""
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    headings = ("| promise |", "| input |")
    return [row for row in rows if not row.startswith(headings) and not _NAMED.search(row)]


def test_every_promise_names_its_tests_and_they_exist() -> None:
    page = _PAGE.read_text()
    assert len(_NAMED.findall(page)) > 100
    assert missing(page) == []
    assert unproved(page) == []


def test_a_test_that_is_gone_and_a_promise_without_one_are_found() -> None:
    page = "| promise | shown by |\n|---|---|\n| a | `test_worker.py::test_gone` |\n| b | our word |\n"
    assert missing(page) == ["test_worker.py::test_gone"]
    assert unproved(page) == ["| b | our word |"]
