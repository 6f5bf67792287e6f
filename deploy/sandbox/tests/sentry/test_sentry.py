"""The error tracker through the official SDK."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import sentry_sdk

from threadly_sandbox.journal import Journal
from threadly_sandbox.sentry.app import create_app
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings


class Tracker:
    def __init__(self, address: str, journal: Journal) -> None:
        self.address = address
        self.journal = journal

    def client(self, key: str = "sandbox", **options: Any) -> sentry_sdk.Client:
        dsn = f"{self.address.replace('://', f'://{key}@')}/1"
        return sentry_sdk.Client(dsn=dsn, default_integrations=False, **options)

    async def events(self) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer: dict[str, Any] = (await http.get(f"{self.address}/api/events")).json()
        return answer


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    journal = Journal()
    async with served(create_app(SandboxSettings(), journal), "127.0.0.1", 0) as address:
        yield Tracker(address, journal)


async def close(client: sentry_sdk.Client) -> None:
    await asyncio.to_thread(client.close, 5.0)


def fail() -> None:
    sizes: dict[str, int] = {}
    try:
        sizes["size"]
    except KeyError as error:
        raise ValueError("no such dress") from error


async def test_an_exception_arrives_with_its_tags_and_trace(tracker: Tracker) -> None:
    client = tracker.client(environment="test")
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        scope.set_tag("request_id", "r-1")
        try:
            fail()
        except ValueError:
            scope.capture_exception()
    await close(client)
    (event,) = (await tracker.events())["events"]
    (entry,) = tracker.journal.entries("error")
    assert entry.summary == "ValueError: no such dress"
    assert entry.detail["tags"] == {"request_id": "r-1"}
    assert entry.detail["trace_id"] == event["contexts"]["trace"]["trace_id"]
    assert entry.detail["environment"] == "test"
    assert [value["type"] for value in event["exception"]["values"]] == ["KeyError", "ValueError"]


async def test_a_message_arrives_and_a_transaction_is_only_counted(tracker: Tracker) -> None:
    client = tracker.client(traces_sample_rate=1.0)
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        scope.capture_message("slow query", level="warning")
        with sentry_sdk.start_transaction(name="GET /v1/products"):
            pass
    await close(client)
    found = await tracker.events()
    assert found["counts"] == {"event": 1, "transaction": 1}
    (entry,) = tracker.journal.entries("error")
    assert (entry.detail["type"], entry.detail["value"]) == ("message", "slow query")
    assert entry.detail["level"] == "warning"


async def test_a_wrong_key_is_refused(tracker: Tracker) -> None:
    client = tracker.client(key="guess")
    client.capture_event({"message": "hello"})
    await close(client)
    assert (await tracker.events())["counts"] == {}


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"no envelope", {}), (b"[]\n1", {}), (b"plain", {"Content-Encoding": "gzip"})],
)
async def test_garbage_is_refused(tracker: Tracker, body: bytes, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{tracker.address}/api/1/envelope/?sentry_key=sandbox", content=body, headers=headers
        )
    assert answer.status_code == 400
    assert (await tracker.events())["counts"] == {}
