"""`threadly` starts fast: operators type it again and again while something burns."""

import os
import pwd
import subprocess
import sys

import pytest

HEAVY = {"aio_pika", "fastapi", "opentelemetry.sdk", "pydantic", "rich", "sentry_sdk", "sqlalchemy"}


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("threadly_operations.cli", set()),
        ("threadly_operations.cli.dead_letters", {"pydantic", "rich", "sqlalchemy"}),
        ("threadly_operations.cli.replays", {"pydantic", "rich", "sqlalchemy"}),
        ("threadly_operations.cli.rebuilds", {"pydantic", "rich", "sqlalchemy"}),
        ("threadly_operations.cli.edits", {"pydantic", "rich", "sqlalchemy"}),
        ("threadly_operations.cli.rehearsals", {"aio_pika", "pydantic", "rich", "sqlalchemy"}),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, needed: set[str]) -> None:
    """Seconds of processor time when the whole service was imported: 3.3; for `--help` now: 0.3."""
    program = f"import sys, {module}; print(*{HEAVY!r} & sys.modules.keys())"
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - as written here
    assert set(shown.stdout.split()) == needed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--consumer", "shelf.sorter", "--discarded"], "--discarded wants the ids of the letters"),
        (["--consumer", "shelf.sorter", "--row-version", "1"], "--row-version belongs to a single id"),
    ],
)
def test_what_belongs_to_letters_that_are_known_is_refused_of_a_group(words: list[str], told: str) -> None:
    """A group would take along what others have given up; its letters have a version each."""
    command = ["dlq", "replay", *words]
    program = f"import sys; from threadly_operations.cli import main; sys.argv[1:] = {command!r}; main()"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)  # noqa: S603 - as written here
    assert done.returncode != 0
    assert (done.stdout + done.stderr).strip().splitlines() == [f"threadly: {told}"]


def test_the_audit_trail_names_the_account_and_not_what_the_environment_says() -> None:
    """F41: with `LOGNAME=somebody` an operator would approve what he has proposed himself."""
    program = "from threadly_operations.cli.running import operator; print(operator())"
    said = {
        subprocess.run(  # noqa: S603 - as written here
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"LOGNAME": name, "USER": name},
        ).stdout.strip()
        for name in ("olga", "otto")
    }
    assert said == {f"cli:{pwd.getpwuid(os.getuid()).pw_name}"}
