"""`.env.example` names every setting that a process reads, with its default."""

import re

import pytest
from pydantic import BaseModel
from tools import env_example
from tools.env_example import document, meanings, sections, shown
from tools.repository import ROOT, SERVICES

from threadly_chassis.settings import ServiceSettings
from threadly_sandbox.settings import SandboxSettings


def test_the_example_is_current() -> None:
    current = (ROOT / env_example.PATH).read_text()
    assert current == document(sections()), "run python -m tools.env_example"


def test_every_field_of_every_service_and_of_the_sandbox_is_there() -> None:
    names = {name for settings in sections().values() for name in settings}
    for field in ServiceSettings.model_fields:
        assert any(name.endswith(f"_{field}".upper()) for name in names), field
    assert {f"THREADLY_SANDBOX_{field}".upper() for field in SandboxSettings.model_fields} <= names
    assert {f"THREADLY_{s.replace('-', '_').upper()}_DATABASE_URL" for s in SERVICES} <= names


def test_a_copy_changes_nothing() -> None:
    lines = (ROOT / env_example.PATH).read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_what_is_shared_is_explained() -> None:
    assert [s.name for s in sections()["every service"].values() if not s.meaning] == []
    assert set(env_example._SHARED) == set(ServiceSettings.model_fields)


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("THREADLY_ORDERS_CHECKOUT_LIFETIME", "PT15M"),
        ("THREADLY_ORDERS_HTTP_PORT", "7105"),
        ("THREADLY_CLERK_AUTHORIZED_PARTIES", "http://127.0.0.1:3002"),
        ("THREADLY_AUTH_IDENTITY_PRIVATE_KEY", ""),
        ("THREADLY_PUSHER_TLS", "false"),
    ],
)
def test_a_setting_stands_once_with_its_default(variable: str, line: str) -> None:
    text = (ROOT / env_example.PATH).read_text()
    assert re.findall(rf"^#{variable}=(.*)$", text, re.MULTILINE) == [line]


def test_a_field_is_explained_by_the_text_beneath_it() -> None:
    class Planted(BaseModel):
        first: int = 1
        """What the first one means."""
        second: int = 2

    assert meanings(Planted) == {"first": "What the first one means."}


def test_defaults_are_shown_as_they_are_written() -> None:
    assert [shown(value) for value in (None, True, ("a", "b"), 1.5)] == ["", "true", "a,b", "1.5"]
