"""The HTTP interface through the official Python client: signatures, limits, errors, webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pusher
import pytest
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus, PusherError
from pusher.http import GET, POST, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from threadly_sandbox.serving import served

Start = Callable[..., Any]


async def post(server: Any, path: str, body: Any) -> httpx.Response:
    """Send what the library would refuse to, signed by the library."""
    request = Request(server.api._pusher_client, POST, path, body)
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(request.url, content=request.body, headers=request.headers)


async def test_a_batch_is_triggered_in_its_order(server: Any, browse: Start) -> None:
    ada = await browse(server)
    await ada.subscribe("news")
    batch = [{"channel": "news", "name": "step", "data": number} for number in range(10)]
    assert await server.call("trigger_batch", batch) == {}
    await ada.event("news", "step", 10)
    assert [event["data"] for event in ada.events("step")] == list(range(10))


async def test_channels_are_listed_by_prefix(server: Any, browse: Start) -> None:
    ada = await browse(server)
    for channel in ("presence-a", "private-b", "c"):
        await ada.subscribe(channel)
    listed = await server.call("channels_info", "presence-", ["user_count"])
    assert listed == {"channels": {"presence-a": {"user_count": 1}}}
    assert set((await server.call("channels_info"))["channels"]) == {"presence-a", "private-b", "c"}
    with pytest.raises(PusherBadRequest):
        await server.call("channels_info", None, ["user_count"])
    with pytest.raises(PusherBadRequest):
        await server.call("users_info", "c")


@pytest.mark.parametrize("wrong", [{"key": "other"}, {"secret": "other"}])
async def test_a_wrong_signature_is_refused(server: Any, wrong: dict[str, str]) -> None:
    credentials = {"key": "sandbox-key", "secret": "sandbox-secret", **wrong}
    client = pusher.Pusher("42", **credentials, ssl=False, host="127.0.0.1", port=server.port)
    with pytest.raises(PusherBadAuth):
        await asyncio.to_thread(client.trigger, "news", "sold", {})
    with pytest.raises(PusherBadAuth):
        await asyncio.to_thread(client.channels_info)
    assert server.journal.entries("realtime") == []


async def test_a_changed_body_is_refused(server: Any) -> None:
    request = Request(
        server.api._pusher_client, POST, "/apps/42/events", {"name": "a", "channels": ["b"], "data": "1"}
    )
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(request.url, content=request.body.replace(b"1", b"2"))
    assert answer.status_code == 401
    assert "body_md5" in answer.text


async def test_a_get_is_accepted_with_and_without_the_hash_of_its_empty_body(server: Any) -> None:
    request = Request(server.api._pusher_client, GET, "/apps/42/channels")
    signed = {name: value for name, value in request.query_params.items() if name != "auth_signature"}
    del signed["body_md5"]  # as the Node library signs
    text = "&".join(f"{name}={value}" for name, value in sorted(signed.items()))
    signature = pusher.signature.sign("sandbox-secret", f"GET\n/apps/42/channels\n{text}")
    async with httpx.AsyncClient(trust_env=False) as http:
        node = await http.get(f"{request.base_url}/apps/42/channels?{text}&auth_signature={signature}")
        python = await http.get(request.url)
    assert (node.status_code, python.status_code) == (200, 200)


async def test_the_python_librarys_wrong_terminate_path_stays_wrong(server: Any) -> None:
    with pytest.raises(PusherBadStatus, match="404"):
        await server.call("terminate_user_connections", "ada")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "big", "channels": ["a"], "data": "x" * 10_241}, 413),
        ({"name": "many", "channels": [f"c{n}" for n in range(101)], "data": "{}"}, 400),
        ({"name": "n" * 201, "channels": ["a"], "data": "{}"}, 400),
        ({"name": "bad", "channels": ["a b"], "data": "{}"}, 400),
        ({"name": "long", "channels": ["c" * 165], "data": "{}"}, 400),
        ({"name": "none", "channels": [], "data": "{}"}, 400),
        ({"name": "object", "channels": ["a"], "data": {"not": "a string"}}, 400),
    ],
)
async def test_events_beyond_the_limits_are_refused(server: Any, body: dict[str, Any], status: int) -> None:
    assert (await post(server, "/apps/42/events", body)).status_code == status
    assert server.journal.entries("realtime") == []


async def test_ten_kilobytes_are_allowed_and_eleven_events_in_a_batch_are_not(server: Any) -> None:
    await server.call("trigger", "news", "big", "x" * 10_240)
    batch = [{"channel": "news", "name": "step", "data": "{}"}] * 11
    assert (await post(server, "/apps/42/batch_events", {"batch": batch})).status_code == 400
    assert len(server.journal.entries("realtime")) == 1


async def test_another_app_is_not_here(server: Any) -> None:
    other = pusher.Pusher(
        "43", "sandbox-key", "sandbox-secret", ssl=False, host="127.0.0.1", port=server.port
    )
    with pytest.raises(PusherError):
        await asyncio.to_thread(other.trigger, "news", "sold", {})


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Queue[Any]]:
    """Somewhere for webhooks to go; the first delivery is refused, so that it must be repeated."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    answers = iter([503])

    async def hook(request: Any) -> PlainTextResponse:
        body = await request.body()
        status = next(answers, 200)
        if status == 200:
            received.put_nowait((request.headers, body))
        return PlainTextResponse("", status)

    async with served(Starlette(routes=[Route("/hook", hook, methods=["POST"])]), "127.0.0.1", 0) as address:
        monkeypatch.setenv("THREADLY_SANDBOX_PUSHER_WEBHOOK_URL", f"{address}/hook")
        yield received


async def test_webhooks_tell_what_happens_signed_and_repeated_after_a_failure(
    receiver: asyncio.Queue[Any], start: Start, browse: Start
) -> None:
    server = await start()
    ada = await browse(server)
    await ada.subscribe("presence-room")
    await ada.command("disconnect")
    told: list[tuple[str, str | None]] = []
    async with asyncio.timeout(10):
        while len(told) < 4:
            headers, body = await receiver.get()
            valid = server.api.validate_webhook(
                headers["x-pusher-key"], headers["x-pusher-signature"], body.decode()
            )
            assert valid == json.loads(body)
            told += [(event["name"], event.get("user_id")) for event in valid["events"]]
    assert told == [
        ("channel_occupied", None),
        ("member_added", "ada"),
        ("member_removed", "ada"),
        ("channel_vacated", None),
    ]
