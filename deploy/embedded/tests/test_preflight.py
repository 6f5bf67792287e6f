import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from threadly_embedded.errors import LauncherError
from threadly_embedded.layout import Layout
from threadly_embedded.ports import free_ports
from threadly_embedded.preflight import check_ports, check_python, check_tools


def test_an_old_python_is_refused() -> None:
    with pytest.raises(LauncherError, match=r"Python 3\.10 is too old; Threadly needs 3\.11 or newer"):
        check_python((3, 10))
    check_python((3, 11))


def test_missing_tools_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(LauncherError) as refused:
        check_tools(path=str(tmp_path), rabbitmq=tmp_path / "none")
    assert str(refused.value).endswith("apt-get install util-linux nginx-light erlang-base rabbitmq-server")


def test_a_taken_port_is_named_with_its_owner_and_the_setting_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        layout = Layout.from_environment({"THREADLY_PORT_OFFSET": "9000", "THREADLY_REDIS_PORT": str(port)})
        with pytest.raises(LauncherError) as refused:
            check_ports(layout)
        assert f"port {port} is taken by {psutil.Process().name()}" in str(refused.value)
        assert f"(pid {os.getpid()}): free it or set THREADLY_REDIS_PORT" in str(refused.value)


def test_the_command_line_says_it_in_one_line_and_fails(tmp_path: Path) -> None:
    """A taken port, a missing system, a wrong setting: exit code 1 and one line on stderr."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = {
            "run": ({"THREADLY_GATEWAY_PORT": port}, f"threadly: port {port} is taken"),
            "status": ({}, "threadly: Threadly is not running; start it with: make run"),
            "migrate": ({}, "threadly: the databases are not running"),
            "logs": ({}, "threadly: no logs of anything"),
            "env": ({"THREADLY_PORT_OFFSET": "x"}, "threadly: THREADLY_PORT_OFFSET is 'x'"),
        }
        for command, (settings, words) in cases.items():
            done = subprocess.run(  # noqa: S603 - this package's own module
                (sys.executable, "-m", "threadly_embedded", command),
                env={
                    **os.environ,
                    "THREADLY_RUN_FOLDER": str(tmp_path),
                    "THREADLY_PORT_OFFSET": "9000",
                    **settings,
                },
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1, command
            assert done.stderr.startswith(words)
            assert done.stderr.count("\n") == 1


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
