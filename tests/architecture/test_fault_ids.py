"""Every fault of the list has a test that bears its id, where docs/testing.md says that it is."""

import ast
import functools
import re

import pytest
from tools.repository import ROOT, paths, read

#: The fault-injection tests that the event core was designed with; numbers once given are not used again.
FAULTS = [f"F{number:02}" for number in range(1, 50) if number not in {4, 8, 17, 26, 30, 32, 34, 43, 46}]
_ROW = re.compile(r"^\| (F\d[^|]*)\|[^|]*\|([^|]*)\|$", re.MULTILINE)


def fault_of(test: str) -> str:
    """`F24` for `test_f24_…`; nothing for a test that bears no id."""
    found = re.match(r"test_f(\d\d)_", test)
    return f"F{found[1]}" if found else ""


@functools.cache
def faults_tested() -> dict[str, set[str]]:
    """Each fault's id to the files that have a test of it."""
    found: dict[str, set[str]] = {}
    for file in read(path for path in paths() if re.search(r"/test_\w+\.py$", path)):
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and fault_of(node.name):
                found.setdefault(fault_of(node.name), set()).add(file.path)
    return found


def documented() -> dict[str, set[str]]:
    """Each fault's id to the files that docs/testing.md names; `F11 to F13` is three."""
    rows: dict[str, set[str]] = {}
    for ids, files in _ROW.findall((ROOT / "docs/testing.md").read_text()):
        for part in ids.strip().split(", "):
            first, _, last = part.partition(" to ")
            numbers = range(int(first[1:]), int((last or first)[1:]) + 1)
            for number in numbers:
                rows.setdefault(f"F{number:02}", set()).update(re.findall(r"`([^`]+)`", files))
    return rows


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_test_that_bears_its_id(fault: str) -> None:
    assert faults_tested().get(fault), f"no test_{fault.lower()}_…"


def test_no_test_bears_an_id_that_is_not_in_the_list() -> None:
    assert set(faults_tested()) <= set(FAULTS)


def test_the_table_names_the_tests() -> None:
    assert documented() == faults_tested()


@pytest.mark.parametrize(
    ("test", "fault"), [("test_f24_silence", "F24"), ("test_f2_x", ""), ("test_of_f24_x", ""), ("f24_x", "")]
)
def test_an_id_is_found_in_a_name(test: str, fault: str) -> None:
    assert fault_of(test) == fault
