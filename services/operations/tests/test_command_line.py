"""`threadly` starts fast: operators type it again and again while something burns."""

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
        ("threadly_operations.cli.rehearsals", {"aio_pika", "pydantic", "rich", "sqlalchemy"}),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, needed: set[str]) -> None:
    """Seconds of processor time when the whole service was imported: 3.3; for `--help` now: 0.3."""
    program = f"import sys, {module}; print(*{HEAVY!r} & sys.modules.keys())"
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - as written here
    assert set(shown.stdout.split()) == needed


def test_discarded_letters_are_replayed_by_their_ids_only() -> None:
    """A group would take along what others have given up."""
    command = ["dlq", "replay", "--consumer", "shelf.sorter", "--discarded"]
    program = f"import sys; from threadly_operations.cli import main; sys.argv[1:] = {command!r}; main()"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)  # noqa: S603 - as written here
    assert done.returncode != 0
    assert (done.stdout + done.stderr).strip().splitlines() == [
        "threadly: --discarded wants the ids of the letters"
    ]
