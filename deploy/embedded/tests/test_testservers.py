"""Where the test servers keep what they write."""

import os
import subprocess
from pathlib import Path

import pytest

from threadly_embedded.testservers import memory_folder


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_in_memory_where_there_is_room(tmp_path: Path) -> None:
    assert memory_folder(tmp_path, room=1) == tmp_path


def test_on_disk_where_there_is_none(tmp_path: Path) -> None:
    assert memory_folder(tmp_path, room=2**60) is None
    assert memory_folder(tmp_path / "not there", room=1) is None


def test_what_a_killed_host_has_left_is_removed_and_nothing_else(tmp_path: Path, dead: int) -> None:
    """Else each killed run would occupy memory until the machine is started anew."""
    kept = {f"threadly-test-{os.getpid()}-abc", "threadly-test-abc", "somebody's"}
    for name in (*kept, f"threadly-test-{dead}-abc"):
        (tmp_path / name / "postgres").mkdir(parents=True)
    memory_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
