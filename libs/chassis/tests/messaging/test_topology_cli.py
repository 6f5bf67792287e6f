"""`threadly topology plan|apply|check`: what it says, and its exit codes."""

import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from threadly_chassis.messaging.management import Management
from threadly_chassis.messaging.topology_cli import main
from threadly_chassis.testing.ports import free_port

SPECIMEN = "threadly_chassis.testing.specimen"

#: What somebody does to the broker behind our back, and the line that says so.
_Meddling = Callable[[Management, str], Any]


def _unbind(management: Management, vhost: str) -> None:
    key = "specimen.note_written.v1"
    management.call("DELETE", f"bindings/{vhost}/e/t.events/q/specimen.every/{key}")


def _bind(management: Management, vhost: str) -> None:
    management.call(
        "POST", f"bindings/{vhost}/e/t.events/q/specimen.every", {"routing_key": "specimen.gone.v1"}
    )


def _policies(kind: str, **policies: tuple[int, str, dict[str, Any]]) -> _Meddling:
    """Policies by name: priority, pattern, definition."""

    def set_them(management: Management, vhost: str) -> None:
        for name, (priority, pattern, definition) in policies.items():
            management.call(
                "PUT",
                f"{kind}/{vhost}/{name}",
                {"pattern": pattern, "definition": definition, "apply-to": "queues", "priority": priority},
            )

    return set_them


#: Changes nothing that matters.
_HARMLESS = {"max-in-memory-length": 1}
#: A named group in Perl's way, which Erlang reads and Python does not.
_UNREADABLE = "(?<queue>outside)$"


@pytest.fixture
def broker(vhost: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty virtual host that the settings name."""
    monkeypatch.setenv("THREADLY_AMQP_URL", vhost)
    monkeypatch.setenv("THREADLY_AMQP_MANAGEMENT_URL", os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    return urlsplit(vhost).path[1:]


@pytest.fixture
def management() -> Management:
    return Management(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])


def test_the_plan_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", SPECIMEN]) == 0
    plan = capsys.readouterr().out
    for line in (
        "exchange t.events (topic) alternate-exchange=t.unrouted",
        "bind t.events --specimen.note_written.v1--> specimen.every",
        "bind t.dlx --specimen.every.dlq--> specimen.every.dlq",
        "exchange specimen.outside.wait.1h (fanout)",
        "bind t.control --rehearse.specimen--> specimen.rehearse",
        "bind t.events --operations.rebuild_requested.v1--> specimen.rebuild-control",
    ):
        assert line in plan
    assert len([line for line in plan.splitlines() if line.startswith("queue ")]) == 3 + 4 * 7


@pytest.mark.parametrize("arguments", [(), ("check",), ("destroy", SPECIMEN)])
def test_what_is_no_command_is_answered_with_the_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == "usage: topology plan|apply|check threadly_<service> …\n"


@pytest.mark.parametrize(
    ("setting", "value", "package", "said"),
    [
        ("THREADLY_AMQP_URL", None, SPECIMEN, "THREADLY_AMQP_URL is not set"),
        ("THREADLY_AMQP_URL", "nonsense", SPECIMEN, "THREADLY_AMQP_URL is no address of a broker"),
        (
            "THREADLY_AMQP_URL",
            "ampq://u:secret@host/",
            SPECIMEN,
            "THREADLY_AMQP_URL is no address of a broker",
        ),
        (
            "THREADLY_AMQP_URL",
            "amqp://u:secret@[bad/",
            SPECIMEN,
            "THREADLY_AMQP_URL is no address of a broker",
        ),
        (
            "THREADLY_AMQP_URL",
            "amqp://h/?heartbeat=soon",
            SPECIMEN,
            "THREADLY_AMQP_URL is no address of a broker",
        ),
        (
            "THREADLY_AMQP_URL",
            "amqp://u:secret@127.0.0.1:1/",
            SPECIMEN,
            "no broker answers at THREADLY_AMQP_URL",
        ),
        ("THREADLY_RETRY_LADDER", "5s,soon", SPECIMEN, "THREADLY_RETRY_LADDER: 'soon' is not a wait"),
        (
            "THREADLY_RETRY_LADDER",
            "5s",
            "threadly_nothing",
            "threadly_nothing is no service with subscriptions",
        ),
        (
            "THREADLY_RETRY_LADDER",
            "5s",
            "threadly_chassis",
            "threadly_chassis is no service with subscriptions",
        ),
        ("THREADLY_RETRY_LADDER", "5s", ".orders", ".orders is no service with subscriptions"),
        (
            "THREADLY_RETRY_LADDER",
            "5s",
            "threadly_chassis.messaging",
            "threadly_chassis.messaging is no service with subscriptions",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_in_a_line(
    setting: str,
    value: str | None,
    package: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if value is None:
        monkeypatch.delenv(setting, raising=False)
    else:
        monkeypatch.setenv(setting, value)
    assert main(["check", package]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"topology: {said}"), error
    assert error.count("\n") == 1
    assert "secret" not in error


@pytest.mark.integration
def test_a_wrong_password_is_said_to_be_one(
    broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(os.environ["THREADLY_AMQP_URL"])
    monkeypatch.setenv("THREADLY_AMQP_URL", f"amqp://nobody:guess@{parts.hostname}:{parts.port}/{broker}")
    for verb in ("apply", "check"):
        assert main([verb, SPECIMEN]) == 1
        said = capsys.readouterr().err
        assert said == "topology: the broker refuses the user and password of THREADLY_AMQP_URL\n"


@pytest.mark.integration
@pytest.mark.usefixtures("broker")
def test_a_virtual_host_that_is_not_there_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THREADLY_AMQP_URL", f"{os.environ['THREADLY_AMQP_URL']}-not")
    assert main(["check", SPECIMEN]) == 1
    said = capsys.readouterr().err
    assert said.startswith("topology: the broker has no virtual host as THREADLY_AMQP_URL names it")


@pytest.mark.integration
def test_a_user_who_may_not_declare_is_told_so(
    broker: str,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts, user = urlsplit(os.environ["THREADLY_AMQP_URL"]), f"reader-{broker}"
    management.call("PUT", f"users/{user}", {"password": "secret", "tags": ""})
    management.call("PUT", f"permissions/{broker}/{user}", {"configure": "", "write": "", "read": ".*"})
    monkeypatch.setenv("THREADLY_AMQP_URL", f"amqp://{user}:secret@{parts.hostname}:{parts.port}/{broker}")
    try:
        assert main(["apply", SPECIMEN]) == 1
    finally:
        management.call("DELETE", f"users/{user}")
    said = capsys.readouterr().err
    assert said.startswith("topology: the broker refuses it: ")
    assert "ACCESS_REFUSED" in said
    assert said.count("\n") == 1


@pytest.mark.integration
def test_apply_names_what_is_there_with_other_arguments(
    broker: str, management: Management, capsys: pytest.CaptureFixture[str]
) -> None:
    management.call("PUT", f"queues/{broker}/specimen.every", {"durable": True})
    assert main(["apply", SPECIMEN]) == 1
    said = capsys.readouterr().err
    assert said.startswith("topology: the broker has it with other arguments: ")
    assert "specimen.every" in said


@pytest.mark.integration
@pytest.mark.usefixtures("broker")
def test_check_is_content_with_what_apply_has_made(capsys: pytest.CaptureFixture[str]) -> None:
    """F48: and it has asked the broker what it does, too."""
    assert main(["apply", SPECIMEN]) == 0
    assert main(["check", SPECIMEN]) == 0
    said = capsys.readouterr().out
    assert "a requeued message goes: to the head" in said
    assert "binding" not in said
    assert "policy" not in said


@pytest.mark.integration
@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (_unbind, "binding t.events --specimen.note_written.v1--> specimen.every is missing"),
        (_bind, "binding t.events --specimen.gone.v1--> specimen.every is not planned"),
        (
            _policies("policies", other=(0, "every", _HARMLESS), tight=(1, "every.dlq$", {"max-length": 10})),
            "queue specimen.every.dlq has max-length=10 by the policy tight",
        ),
        (
            _policies("operator-policies", tight=(0, "newest$", {"message-ttl": 1000})),
            "queue specimen.newest has message-ttl=1000 by the policy tight",
        ),
        (
            _policies("policies", tight=(0, "outside$", {"overflow": "drop-head"})),
            "queue specimen.outside has overflow=drop-head by the policy tight",
        ),
        (
            _policies("policies", tight=(0, _UNREADABLE, {"max-length": 10})),
            "queue specimen.outside has max-length=10 by the policy tight",
        ),
        (
            _policies(
                "policies",
                other=(1, "^(?<service>none)$", _HARMLESS),
                tight=(0, "every$", {"max-length": 10}),
            ),
            "queue specimen.every has max-length=10 by the policy tight",
        ),
    ],
    ids=[
        "a binding removed",
        "a binding left behind",
        "a limit",
        "a time to live",
        "dead letters may be dropped",
        "an unreadable pattern",
        "an unreadable pattern before it",
    ],
)
def test_check_names_what_declaring_cannot_see(
    meddle: _Meddling, said: str, broker: str, management: Management, capsys: pytest.CaptureFixture[str]
) -> None:
    """F10 where nobody would notice: other consumers want the type, so nothing is unrouted."""
    assert main(["apply", SPECIMEN]) == 0
    meddle(management, broker)
    assert main(["check", SPECIMEN]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert said in lines
    assert lines[-1] == "what the broker does with it: not tried out while that is so"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("priority", "definition"),
    [(0, {"delivery-limit": 5_000_000}), (-1, {"max-length": 10})],
    ids=["no smaller than our own", "overruled by another"],
)
def test_check_is_content_with_a_policy_that_does_no_harm(
    priority: int, definition: dict[str, Any], broker: str, management: Management
) -> None:
    assert main(["apply", SPECIMEN]) == 0
    _policies("policies", other=(0, "", _HARMLESS), tight=(priority, "", definition))(management, broker)
    if priority == 0:
        management.call("DELETE", f"policies/{broker}/other")
    assert main(["check", SPECIMEN]) == 0


@pytest.mark.integration
@pytest.mark.usefixtures("broker")
def test_check_creates_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Trying things out would: it waits until what is declared is whole."""
    said = []
    for _ in range(2):
        assert main(["check", SPECIMEN]) == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "exchange t.events is missing" in said[0]
    assert "not tried out" in said[0]


@pytest.mark.integration
def test_apply_binds_again_what_somebody_has_unbound(broker: str, management: Management) -> None:
    assert main(["apply", SPECIMEN]) == 0
    _unbind(management, broker)
    assert main(["apply", SPECIMEN]) == 0
    assert main(["check", SPECIMEN]) == 0


@pytest.mark.integration
@pytest.mark.usefixtures("broker")
def test_check_says_when_it_could_not_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stranger: str
) -> None:
    """And shows nobody a password, not even one that has ended the address early."""
    assert main(["apply", SPECIMEN]) == 0
    monkeypatch.delenv("THREADLY_AMQP_MANAGEMENT_URL")
    assert main(["check", SPECIMEN]) == 0
    said = "bindings and policies: not looked at, THREADLY_AMQP_MANAGEMENT_URL is not set"
    assert said in capsys.readouterr().out.splitlines()
    where = f"127.0.0.1:{free_port()}"
    malformed = "THREADLY_AMQP_MANAGEMENT_URL is no http address, or its password is not percent-encoded"
    for url, why in (
        (f"http://somebody:secret@{where}", f"http://{where} does not answer"),
        (f"http://somebody:secret/2@{where}", malformed),
        ("http://[secret", malformed),
        ("secret", malformed),
        (f"http://somebody:secret@{stranger}", f"http://{stranger} is something else"),
    ):
        monkeypatch.setenv("THREADLY_AMQP_MANAGEMENT_URL", url)
        assert main(["check", SPECIMEN]) == 1
        out = capsys.readouterr().out
        assert f"bindings and policies: {why}" in out
        assert "secret" not in out


@pytest.fixture
def stranger() -> Iterator[str]:
    """Where something answers that is no management interface."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"hello": "world"}')

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
