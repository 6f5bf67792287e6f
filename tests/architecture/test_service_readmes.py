"""A stranger finds the same thing in the same place of every service's README."""

import re

import pytest
from tools.repository import ROOT, SERVICES

HEADINGS = [
    "Owns",
    "Publishes",
    "Consumes",
    "Decides",
    "Refuses",
    "Outside",
    "API",
    "Alerts",
    "Tests",
]


@pytest.mark.parametrize("service", SERVICES)
def test_every_readme_answers_the_same_questions_in_the_same_order(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text()
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [service]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert all(body.strip() for body in re.split(r"^#.*$", text, flags=re.MULTILINE)[1:])
