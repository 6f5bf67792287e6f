"""Servers for integration tests: one set for a whole run, none for unit tests, gone afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from threadly_embedded.testing import wait_until
from threadly_embedded.testservers import ADDRESSES

TESTS = """
import json, os, socket
from pathlib import Path
from urllib.parse import urlsplit
import pytest

@pytest.mark.integration
@pytest.mark.parametrize("number", range(4))
def test_servers(number):
    addresses = {name: os.environ[name] for name in %r}
    for url in addresses.values():
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 2).close()
    Path(f"seen-{number}").write_text(json.dumps(addresses))

def test_unit():
    pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS % (ADDRESSES,))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n  integration: x\nasyncio_default_fixture_loop_scope = function\n"
    )
    return tmp_path


def _pytest(suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith(("THREADLY_TEST", "PYTEST"))
    }
    return subprocess.run(  # noqa: S603 - pytest itself
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options),
        cwd=suite,
        env={**surroundings, "THREADLY_TEST_SERVERS": "embedded", "TMPDIR": str(_temporary(suite))},
        capture_output=True,
        text=True,
        check=False,
    )


def _temporary(suite: Path) -> Path:
    folder = suite / "tmp"
    folder.mkdir(exist_ok=True)
    for place in (folder, suite, suite.parent, suite.parent.parent):
        place.chmod(0o755)
    return folder


@pytest.mark.timeout(240)
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_one_set_of_servers_serves_a_whole_run_and_is_gone_afterwards(
    suite: Path, options: tuple[str, ...]
) -> None:
    done = _pytest(suite, *options)
    assert done.returncode == 0, done.stdout
    seen = [json.loads(path.read_text()) for path in suite.glob("seen-*")]
    assert len(seen) == 4
    assert all(addresses == seen[0] for addresses in seen)

    def gone() -> None:
        assert list(_temporary(suite).glob("threadly-*")) == []
        assert not [line for line in _commands() if str(suite) in line]

    wait_until(gone, "servers and folders are gone")


def test_unit_tests_start_nothing(suite: Path) -> None:
    done = _pytest(suite, "-m", "not integration", "--basetemp", str(suite / "base"))
    assert done.returncode == 0
    assert "1 passed" in done.stdout
    assert list(_temporary(suite).glob("threadly-test-*")) == []


@pytest.mark.timeout(240)
def test_servers_end_when_the_run_that_wanted_them_is_killed(suite: Path) -> None:
    (suite / "test_it.py").write_text(
        (TESTS % (ADDRESSES,)).replace('Path(f"seen-{number}")', "os.kill(os.getpid(), 9); Path('x')")
    )
    done = _pytest(suite)
    assert done.returncode == -9

    def gone() -> None:
        assert not [line for line in _commands() if str(suite) in line]

    wait_until(gone, "the servers followed the run", seconds=30)


def test_without_servers_each_test_says_why(suite: Path) -> None:
    (suite / "conftest.py").write_text(
        "import threadly_embedded.pytest_plugin as plugin\n"
        "from threadly_embedded.errors import LauncherError\n"
        "def no_servers():\n    raise LauncherError('RabbitMQ is missing')\n"
        "plugin._find_or_start = no_servers\n"
    )
    for options in ((), ("-n", "2")):
        done = _pytest(suite, *options)
        assert done.returncode == 1
        assert done.stdout.count("no servers for this test: RabbitMQ is missing") >= 4
        assert "1 passed" in done.stdout


def _commands() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
