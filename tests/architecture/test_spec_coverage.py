"""docs/spec-coverage.md is what the tests say today."""

import pytest
from tools import spec_coverage
from tools.repository import ROOT, File
from tools.spec_coverage import Citation, asked, citations, cited, document, ids_in, unknown


def test_the_coverage_is_current() -> None:
    current = (ROOT / spec_coverage.PATH).read_text()
    assert current == document(cited(), asked()), "run python -m tools.spec_coverage"


def test_no_test_cites_what_nobody_asked_for() -> None:
    assert unknown(cited(), asked()) == []


def test_an_unknown_id_is_found() -> None:
    [fault] = unknown([Citation("t.py", "test_x", "R-CAT-" + "99")], asked())
    assert fault == "t.py: test_x cites R-CAT-" + "99"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("R-CAT-01, R-SRCH-10.", {"R-CAT-01", "R-SRCH-10"}),
        ("(E001; E022)", {"E001", "E022"}),
        ("R-ORD-04 to R-ORD-06", {"R-ORD-04", "R-ORD-05", "R-ORD-06"}),
        ("R-ORD-04 to R-CAT-06", {"R-ORD-04", "R-CAT-06"}),
        ("E001 to E003", {"E001", "E002", "E003"}),
        ("F18, PR-11, RT-23, SE001, E0012", set()),
    ],
)
def test_ids_are_found_in_a_text(text: str, ids: set[str]) -> None:
    assert ids_in(text) == ids


def test_a_test_cites_by_docstring_name_and_parameter() -> None:
    # A parameter's value is no citation, its id is.
    code = '''"""About R-CAT-01."""

@pytest.mark.parametrize("x", ["R-MSG-04", pytest.param(1, id="E049-nan")])
async def test_e022_r_ord_05_once(x):
    """R-ORD-08."""
    assert "R-MSG-01" != x  # R-MSG-02

def helper():
    """R-MSG-03."""
'''
    found = {(c.test, c.requirement) for c in citations(File("t.py", code))}
    name = "test_e022_r_ord_05_once"
    assert found == {("", "R-CAT-01"), (name, "E049"), (name, "E022"), (name, "R-ORD-05"), (name, "R-ORD-08")}


def test_what_is_not_cited_is_shown_and_is_no_fault() -> None:
    wanted = {"Chapter": {"R-A-01": "one", "R-A-02": "two"}}
    text = document([Citation("t/test_a.py", "test_one", "R-A-01")], wanted)
    assert "1 of 2 are cited" in text
    assert "Not cited yet: R-A-02." in text
    assert "| R-A-01 | one | [test_one](../t/test_a.py) |" in text
    assert "| R-A-02 | two | **none yet** |" in text
