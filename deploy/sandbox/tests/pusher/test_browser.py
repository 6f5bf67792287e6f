"""The WebSocket protocol, as the unmodified pusher-js client lives it."""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from pusher.http import POST, Request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Any]


async def test_an_event_reaches_exactly_the_subscribers(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    await ada.subscribe("news")
    await bob.subscribe("other")
    await server.call("trigger", ["news", "nobody"], "sold", {"id": 7, "name": "Élan"})
    assert (await ada.event("news", "sold"))["data"] == {"id": 7, "name": "Élan"}
    await server.call("trigger", "other", "end", {})
    await bob.event("other", "end")
    assert not bob.events("sold")
    entries = [entry.detail for entry in server.journal.entries("realtime")]
    assert entries[0] == {
        "channel": "news",
        "event": "sold",
        "data": {"id": 7, "name": "Élan"},
        "receivers": 1,
    }


async def test_a_private_channel_needs_the_applications_signature(server: Any, browse: Start) -> None:
    ada = await browse(server, may=lambda channel: channel == "private-ada")
    await ada.subscribe("private-ada")
    await ada.command("subscribe", channel="private-bob")
    refused = await ada.event("private-bob", "pusher:subscription_error")
    assert "forbidden" in str(refused)
    await server.call("trigger", ["private-bob", "private-ada"], "hello", {})
    await ada.event("private-ada", "hello")
    assert [event["channel"] for event in ada.events("hello")] == ["private-ada"]


async def test_a_signature_for_another_channel_is_refused(server: Any, browse: Start) -> None:
    ada = await browse(server)
    sign = ada.api.authenticate
    ada.api = type(
        "Forger", (), {"authenticate": lambda _, __, socket, data: sign("private-ada", socket, data)}
    )()
    await ada.command("subscribe", channel="private-bob")
    error = await ada.until("an error", lambda message: message["kind"] == "error")
    assert "signature" in str(error)
    info = await server.call("channel_info", "private-bob")
    assert info["occupied"] is False


async def test_the_sender_does_not_get_its_own_event(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    for browser in (ada, bob):
        await browser.subscribe("room")
    socket_id = (await ada.state("connected"))["socket_id"]
    await server.call("trigger", "room", "typed", {}, socket_id)
    await bob.event("room", "typed")
    await server.call("trigger", "room", "end", {})
    await ada.event("room", "end")
    assert not ada.events("typed")


async def test_presence_counts_people_and_not_connections(server: Any, browse: Start) -> None:
    ada = await browse(server)
    joined = await ada.subscribe("presence-room")
    assert joined["data"] == {"members": {"ada": {"name": "Ada"}}, "count": 1}
    bob, bobs_phone = await browse(server, "bob"), await browse(server, "bob")
    assert (await bob.subscribe("presence-room"))["data"]["count"] == 2
    assert (await bobs_phone.subscribe("presence-room"))["data"]["count"] == 2
    added = await ada.event("presence-room", "pusher:member_added")
    assert added["data"] == {"id": "bob", "info": {"name": "Bob"}}
    info = await server.call("channel_info", "presence-room", ["user_count", "subscription_count"])
    assert info == {"occupied": True, "user_count": 2, "subscription_count": 3}
    users = await server.call("users_info", "presence-room")
    assert sorted(user["id"] for user in users["users"]) == ["ada", "bob"]

    await bobs_phone.command("unsubscribe", channel="presence-room")
    await server.call("trigger", "presence-room", "still-two", {})
    await ada.event("presence-room", "still-two")
    assert not ada.events("pusher:member_removed")
    await bob.command("disconnect")
    removed = await ada.event("presence-room", "pusher:member_removed")
    assert removed["data"]["id"] == "bob"
    assert len(ada.events("pusher:member_added")) == 1
    assert not bob.events("pusher:member_added")


async def test_client_events_pass_between_subscribers(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    for browser in (ada, bob):
        await browser.subscribe("presence-room")
    await ada.command("trigger", channel="presence-room", event="client-typing", data={"on": True})
    typing = await bob.event("presence-room", "client-typing")
    assert typing["data"] == {"on": True}
    sender = await bob.until("who typed", lambda message: message["kind"] == "metadata")
    assert sender["metadata"] == {"user_id": "ada"}
    assert not ada.events("client-typing")


async def test_client_events_are_limited_to_ten_a_second(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    for browser in (ada, bob):
        await browser.subscribe("private-room")
    for number in range(30):
        await ada.command("trigger", channel="private-room", event="client-typing", data=number)
    error = await ada.until("an error", lambda message: message["kind"] == "error")
    assert error["error"]["code"] == 4301
    await server.call("trigger", "private-room", "end", {})
    await bob.event("private-room", "end")
    assert len(bob.events("client-typing")) < 30


async def test_client_events_need_a_protected_channel(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    for browser in (ada, bob):
        await browser.subscribe("public")
    await ada.command("trigger", channel="public", event="client-typing", data={})
    error = await ada.until("an error", lambda message: message["kind"] == "error")
    assert error["error"]["code"] == 4301
    await server.call("trigger", "public", "end", {})
    await bob.event("public", "end")
    assert not bob.events("client-typing")


async def test_a_user_is_reached_on_every_device_and_can_be_cut_off(server: Any, browse: Start) -> None:
    ada, bob = await browse(server), await browse(server, "bob")
    for browser in (ada, bob):
        await browser.command("signin")
        await browser.until("a sign-in", lambda m: m.get("event") == "pusher:signin_success")
    own = "pusher_internal:subscription_succeeded"
    for browser in (ada, bob):
        await browser.until("the user's channel", lambda m: (m["kind"], m.get("event")) == ("frame", own))
    await server.call("trigger", "#server-to-user-ada", "notice", {"text": "Sold!"})
    notice = await ada.until("a notice", lambda m: (m["kind"], m.get("event")) == ("user_event", "notice"))
    assert notice["data"] == {"text": "Sold!"}

    # The Python library's own method asks for a path without the app (finding 9): build the right one.
    request = Request(server.api._pusher_client, POST, "/apps/42/users/ada/terminate_connections", {})
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(request.url, content=request.body, headers=request.headers)
    assert (answer.status_code, answer.json()) == (200, {})
    await ada.state("disconnected")
    await server.call("trigger", "#server-to-user-bob", "notice", {})
    await bob.until("a notice", lambda m: (m["kind"], m.get("event")) == ("user_event", "notice"))


async def test_nobody_subscribes_to_anothers_user_channel(server: Any) -> None:
    # pusher-js itself refuses such a name, an attacker does not.
    async with connect(f"ws://127.0.0.1:{server.port}/app/sandbox-key?protocol=7") as socket:
        await socket.recv()
        frame = {"event": "pusher:subscribe", "data": {"auth": "", "channel": "#server-to-user-bob"}}
        await socket.send(json.dumps(frame))
        answer = json.loads(await socket.recv())
    assert (answer["event"], answer["data"]["code"]) == ("pusher:error", 4009)


@pytest.mark.parametrize(
    "frame", ["{", "[]", '{"event": 1}', '{"event": "pusher:subscribe", "data": []}', '"x"']
)
async def test_garbage_is_answered_and_the_conversation_goes_on(server: Any, frame: str) -> None:
    async with connect(f"ws://127.0.0.1:{server.port}/app/sandbox-key?protocol=7") as socket:
        await socket.recv()
        await socket.send(frame)
        assert json.loads(await socket.recv())["event"] == "pusher:error"
        await socket.send('{"event": "pusher:ping", "data": {}}')
        assert json.loads(await socket.recv())["event"] == "pusher:pong"


async def test_a_protocol_of_the_future_is_refused(server: Any) -> None:
    async with connect(f"ws://127.0.0.1:{server.port}/app/sandbox-key?protocol=8") as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 4007


async def test_an_unknown_key_ends_the_client_for_good(server: Any, browse: Start) -> None:
    stranger = await browse(server, key="other-key")
    error = await stranger.until("an error", lambda message: message["kind"] == "error")
    assert error["error"]["code"] == 4001
    await stranger.state("disconnected")


async def test_an_idle_connection_is_kept_alive_by_pings(start: Start, browse: Start) -> None:
    server = await start(idle_seconds=0.2)
    ada = await browse(server)
    await ada.until("pings of the server", lambda message: message.get("event") == "pusher:ping", 3)
    await ada.subscribe("news")
    await server.call("trigger", "news", "sold", {})
    await ada.event("news", "sold")
    assert len([message for message in ada.seen if message.get("state") == "connected"]) == 1


async def test_at_shutdown_clients_are_told_to_come_back_and_do(server: Any, browse: Start) -> None:
    ada = await browse(server)
    await ada.subscribe("news")
    await server.app.state.before_shutdown()
    await ada.state("connected", 2)
    await ada.event("news", "pusher:subscription_succeeded", 2)
    await server.call("trigger", "news", "sold", {})
    await ada.event("news", "sold")


async def test_a_presence_channel_holds_a_hundred_people(server: Any, browse: Start) -> None:
    # 100 clients of their own would be 100 processes: one client subscribes as 100 people over 100 sockets.
    ada = await browse(server)
    async with AsyncExitStack() as stack:
        for number in range(100):
            url = f"ws://127.0.0.1:{server.port}/app/sandbox-key"
            socket = await stack.enter_async_context(connect(url, max_queue=None))
            socket_id = json.loads(json.loads(await socket.recv())["data"])["socket_id"]
            signed = server.api.authenticate("presence-full", socket_id, {"user_id": number})
            frame = {"event": "pusher:subscribe", "data": {"channel": "presence-full", **signed}}
            await socket.send(json.dumps(frame))
            assert "subscription_succeeded" in await socket.recv()
        await ada.command("subscribe", channel="presence-full")
        error = await ada.until("an error", lambda message: message["kind"] == "error")
    assert error["error"]["code"] == 4004
