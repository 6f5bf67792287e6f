"""Starts the servers that integration tests need, once for a whole test run.

Nothing starts until a collected test is marked ``integration``, so runs of pure unit tests stay fast. With
xdist every worker collects; the first one that needs servers starts them under a file lock, the others use
the same. Servers that are named by the environment or kept by a developer (``testservers start``) are used
as they are and left running; ``THREADLY_TEST_SERVERS=embedded`` wants fresh ones all the same.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from .errors import LauncherError
from .testservers import ADDRESSES, Record, kept_record, start_host, stop_host

_FOLDER = "THREADLY_TEST_RUN_FOLDER"
_OWNER = "THREADLY_TEST_RUN_OWNER"
_FAULT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's folder in the process that outlives the workers; they inherit its name."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.mkdtemp(prefix="threadly-run-")
    config.add_cleanup(lambda: _end(Path(folder)))
    os.environ[_FOLDER] = folder
    os.environ[_OWNER] = str(os.getpid())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start or find the servers when a test that is about to run needs them."""
    if session.config.option.collectonly or all(os.environ.get(name) for name in ADDRESSES):
        return
    if any(item.get_closest_marker("integration") for item in session.items):
        try:
            _find_or_start().export()
        except LauncherError as error:
            session.config.stash[_FAULT] = str(error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail each test that has no servers with the reason; xdist hides an error of the collection."""
    fault = item.config.stash.get(_FAULT, "")
    if fault and item.get_closest_marker("integration"):
        pytest.fail(f"no servers for this test: {fault}", pytrace=False)


def _find_or_start() -> Record:
    kept = Record.read(kept_record())
    if kept is not None and os.environ.get("THREADLY_TEST_SERVERS") != "embedded":
        return kept
    folder = Path(os.environ[_FOLDER])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = folder / "testservers.json"
        return Record.read(record) or start_host(record, owner=int(os.environ[_OWNER]))


def _end(folder: Path) -> None:
    stop_host(folder / "testservers.json")
    shutil.rmtree(folder, ignore_errors=True)
    for name in (_FOLDER, _OWNER):
        os.environ.pop(name, None)
