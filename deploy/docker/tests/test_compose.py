"""Architecture §2: `docker compose up` gives the same system; the story is told against it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx
import pytest

from threadly_embedded.layout import SERVICES, root_folder
from threadly_embedded.ports import free_ports
from threadly_embedded.testing import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

JOBS = {"keys", "prepare", "demo"}
SERVERS = {"postgres", "redis", "rabbitmq", "gateway", "sandbox"}
PUBLISHED = ("GATEWAY", "OPERATORS", "SANDBOX_PAGE", "SANDBOX_CLERK", "SANDBOX_STRIPE", "SANDBOX_PUSHER")


def _run(environment: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(  # noqa: S603 - commands of this test
        command,
        cwd=root_folder(),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-6000:]}"
    return done.stdout


def _states(environment: Mapping[str, str]) -> dict[str, str]:
    lines = _run(environment, "docker", "compose", "ps", "--all", "--format", "json").splitlines()
    found = [json.loads(line) for line in lines]
    return {one["Service"]: one["Health"] or f"{one['State']} {one['ExitCode']}" for one in found}


@pytest.fixture(scope="module")
def compose() -> Iterator[dict[str, str]]:
    """A composed system on free ports, all healthy, demo data loaded."""
    ports = {f"THREADLY_{name}_PORT": str(port) for name, port in zip(PUBLISHED, free_ports(6), strict=True)}
    environment = {**ports, "COMPOSE_PROJECT_NAME": "threadly-test"}
    try:
        _run(environment, "docker", "compose", "up", "--detach", "--build")

        def ready() -> None:
            assert _states(environment).get("demo") == "exited 0", _states(environment)

        wait_until(ready, "the demo data is loaded", 600)
        yield environment
    finally:
        _run(environment, "docker", "compose", "down", "--volumes", "--timeout", "10")


def test_everything_is_healthy(compose: dict[str, str]) -> None:
    states = _states(compose)
    processes = {name for service in SERVICES for name in (service, f"{service}-worker")}
    assert states == dict.fromkeys(JOBS, "exited 0") | dict.fromkeys(processes | SERVERS, "healthy")


def test_services_run_without_rights_and_see_only_their_own_secrets(compose: dict[str, str]) -> None:
    def within(service: str, *command: str) -> str:
        return _run(compose, "docker", "compose", "exec", "-T", service, *command)

    assert within("catalog", "id", "-u").strip() == "10001"
    seen = within("catalog", "env")
    assert "THREADLY_CATALOG_DATABASE_URL" in seen
    assert "THREADLY_ORDERS_DATABASE_URL" not in seen
    assert "STRIPE" not in seen
    assert within("catalog", "ls", "/var/lib/threadly/identity").strip() == ""
    assert "CapEff:\t0000000000000000" in within("catalog", "cat", "/proc/self/status")


def test_the_gateway_serves_pictures_and_the_reference(compose: dict[str, str]) -> None:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{compose['THREADLY_GATEWAY_PORT']}", trust_env=False
    ) as client:
        listed = client.get("/v1/products").json()["data"]
        assert listed
        picture = client.get(
            listed[0]["images"][0]["url"] if "images" in listed[0] else listed[0]["image"]["url"]
        )
        assert picture.headers["content-type"].startswith("image/")
        assert client.get("/docs").status_code == 200
        assert client.get("/v1/orders").json()["sign_in_url"].endswith("/sign-in")


def test_the_story_of_one_sale_and_one_mishap_is_told(compose: dict[str, str]) -> None:
    host = "http://127.0.0.1"
    world = {
        "THREADLY_PUBLIC_URL": f"{host}:{compose['THREADLY_GATEWAY_PORT']}",
        "THREADLY_CLERK_API_URL": f"{host}:{compose['THREADLY_SANDBOX_CLERK_PORT']}",
        "THREADLY_STRIPE_API_URL": f"{host}:{compose['THREADLY_SANDBOX_STRIPE_PORT']}",
        "THREADLY_SANDBOX_URL": f"{host}:{compose['THREADLY_SANDBOX_PAGE_PORT']}",
        "THREADLY_PUSHER_HOST": "127.0.0.1",
        "THREADLY_PUSHER_PORT": compose["THREADLY_SANDBOX_PUSHER_PORT"],
        "THREADLY_OPERATOR_COMMAND": "docker compose exec -T {service}-worker",
    }
    told = _run(compose | world, sys.executable, "-m", "threadly_demo")
    assert "steps in" in told
