"""Who may listen to what, and typing, proved on the sandbox's Pusher (R-RT)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from threadly_chassis.http import Principal
from threadly_messaging.dependencies import pusher_realtime
from threadly_messaging.gateways.realtime import MAX_DATA_BYTES, RealtimeAway, RealtimeRefused

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _socket(pusher: str) -> AsyncIterator[tuple[ClientConnection, str]]:
    """A connection to Pusher, and its socket id."""
    url = f"{pusher.replace('http', 'ws', 1)}/app/sandbox-key?protocol=7&client=js&version=8.6.0&flash=false"
    async with connect(url) as socket:
        hello = json.loads(await socket.recv())
        yield socket, json.loads(hello["data"])["socket_id"]


async def _next(socket: ClientConnection) -> tuple[str, Any]:
    frame = json.loads(await socket.recv())
    return frame["event"], json.loads(frame["data"]) if isinstance(frame["data"], str) else frame["data"]


async def _authorize(messaging: Any, who: Principal | None, **fields: str) -> httpx.Response:
    """Ask as pusher-js does: a form."""
    answer: httpx.Response = await messaging.call(
        "POST",
        "/realtime/auth",
        who,
        content=urlencode(fields),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    return answer


async def _subscribe(
    messaging: Any, socket: ClientConnection, socket_id: str, who: Principal, channel: str
) -> tuple[str, Any]:
    answer = await _authorize(messaging, who, socket_id=socket_id, channel_name=channel)
    assert answer.status_code == 200, answer.text
    await socket.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel} | answer.json()}))
    return await _next(socket)


@pytest.fixture
async def conversation(messaging: Any, buyer: Principal, seller: Principal) -> str:
    return str((await messaging.begin(buyer, await messaging.offer(seller)))["id"])


async def test_people_listen_to_themselves_and_to_their_conversations(
    messaging: Any, pusher: str, conversation: str, buyer: Principal
) -> None:
    """R-RT-02, R-RT-03, R-RT-05: Pusher itself accepts each signature."""
    async with _socket(pusher) as (socket, socket_id):
        for channel in (f"private-user-{buyer.user_id}", f"private-conversation-{conversation}"):
            event, _ = await _subscribe(messaging, socket, socket_id, buyer, channel)
            assert event == "pusher_internal:subscription_succeeded", channel
        event, data = await _subscribe(
            messaging, socket, socket_id, buyer, f"presence-conversation-{conversation}"
        )
    assert event == "pusher_internal:subscription_succeeded"
    assert data["presence"]["hash"] == {str(buyer.user_id): {"name": "Ada", "avatar": None}}


async def test_every_other_channel_is_refused(
    messaging: Any, conversation: str, buyer: Principal, stranger: Principal
) -> None:
    """E091: other people's, malformed and unknown ones, all with the same 403."""
    good = {"socket_id": "1.2", "channel_name": f"private-conversation-{conversation}"}
    refused: list[tuple[Principal, dict[str, str]]] = [
        (stranger, good),
        (stranger, good | {"channel_name": f"presence-conversation-{conversation}"}),
        (stranger, good | {"channel_name": f"private-user-{buyer.user_id}"}),
    ]
    names = (
        "",
        "public",
        f"private-user-{str(buyer.user_id).upper()}",
        f"private-user-{buyer.user_id}\n",
        f"private-user-{buyer.user_id}:evil",
        f"private-encrypted-conversation-{conversation}",
        f"presence-user-{buyer.user_id}",
        f"private-conversation-{buyer.user_id}",
        "private-conversation-x",
        f"#server-to-user-{buyer.user_id}",
        "x" * 3000,
    )
    refused += [(buyer, good | {"channel_name": name}) for name in names]
    sockets = ("", "1", "1.2\n", "1.2:private-user", "\u0661.\u0662", "1.2.3", "-1.2")
    refused += [(buyer, good | {"socket_id": socket_id}) for socket_id in sockets]
    refused += [(buyer, {"socket_id": "1.2"}), (buyer, {"channel_name": good["channel_name"]}), (buyer, {})]

    for who, fields in refused:
        answer = await _authorize(messaging, who, **fields)
        assert (answer.status_code, answer.json()["code"]) == (403, "channel_refused"), fields
    assert (await _authorize(messaging, buyer, **good)).status_code == 200
    assert (await _authorize(messaging, None, **good)).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"[]", b"7", b'{"socket_id": 1.2, "channel_name": []}', b"a" * 5000]
)
async def test_a_body_that_is_neither_form_nor_json_is_refused(
    messaging: Any, buyer: Principal, body: bytes
) -> None:
    answer = await messaging.call("POST", "/realtime/auth", buyer, content=body)

    assert answer.status_code == 403


async def test_json_is_understood_as_well(messaging: Any, conversation: str, buyer: Principal) -> None:
    fields = {"socket_id": "1.2", "channel_name": f"private-conversation-{conversation}"}

    form = await _authorize(messaging, buyer, **fields)
    as_json = await messaging.call("POST", "/realtime/auth", buyer, json=fields)

    assert as_json.json() == form.json() == {"auth": form.json()["auth"]}


async def test_a_socket_is_signed_in_as_its_owner(messaging: Any, pusher: str, buyer: Principal) -> None:
    """E092 needs it: only a signed-in socket can be ended by its user's id."""
    async with _socket(pusher) as (socket, socket_id):
        answer = await messaging.call("POST", "/realtime/user-auth", buyer, json={"socket_id": socket_id})
        await socket.send(json.dumps({"event": "pusher:signin", "data": answer.json()}))
        event, data = await _next(socket)

    assert event == "pusher:signin_success"
    assert json.loads(data["user_data"])["id"] == str(buyer.user_id)
    odd = await messaging.call("POST", "/realtime/user-auth", buyer, json={"socket_id": "x"})
    assert odd.status_code == 403


async def test_typing_reaches_the_other_side(
    messaging: Any, pusher: str, conversation: str, buyer: Principal, seller: Principal
) -> None:
    """R-RT-07: `conversation.typing` with type and data; nothing is stored."""
    async with _socket(pusher) as (socket, socket_id):
        await _subscribe(messaging, socket, socket_id, seller, f"private-conversation-{conversation}")
        for is_typing in (True, False):
            answer = await messaging.call(
                "POST", f"/conversations/{conversation}/typing", buyer, json={"is_typing": is_typing}
            )
            assert answer.status_code == 204
            event, envelope = await _next(socket)
            assert event == envelope["type"] == "conversation.typing"
            assert envelope["data"] == {
                "conversationId": conversation,
                "userId": str(buyer.user_id),
                "userName": "Ada",
                "isTyping": is_typing,
            }
    assert len(await messaging.events()) == 1


async def test_the_typists_own_socket_is_not_told(
    messaging: Any, pusher: str, conversation: str, buyer: Principal
) -> None:
    channel = f"private-conversation-{conversation}"
    async with _socket(pusher) as (socket, socket_id):
        await _subscribe(messaging, socket, socket_id, buyer, channel)
        for body in ({"is_typing": True, "socket_id": socket_id}, {"is_typing": False}):
            await messaging.call("POST", f"/conversations/{conversation}/typing", buyer, json=body)
        _, envelope = await _next(socket)

    assert envelope["data"]["isTyping"] is False


async def test_typing_costs_nothing_when_pusher_is_away(
    messaging: Any, settings: Any, conversation: str, buyer: Principal
) -> None:
    """Architecture §2, degraded by contract; the gateway's own word for it is `RealtimeAway`."""
    async with httpx.AsyncClient() as http:
        away = pusher_realtime(settings.model_copy(update={"pusher_port": 1}), http)
        messaging.change(realtime=away)

        with pytest.raises(RealtimeAway):
            await away.trigger("private-x", "x", {})
        answer = await messaging.call(
            "POST", f"/conversations/{conversation}/typing", buyer, json={"is_typing": True}
        )
    assert answer.status_code == 204


async def test_what_pusher_would_never_take_is_refused_before_or_by_it(messaging: Any, settings: Any) -> None:
    """Providers §1.3: 10 kB, which the SDK does not check; wrong keys."""
    room = MAX_DATA_BYTES - len('{"text": ""}')
    await messaging.deps.realtime.trigger("private-x", "x", {"text": "a" * room})
    with pytest.raises(RealtimeRefused):
        await messaging.deps.realtime.trigger("private-x", "x", {"text": "a" * (room + 1)})
    async with httpx.AsyncClient() as http:
        stranger = pusher_realtime(settings.model_copy(update={"pusher_secret": SecretStr("wrong")}), http)
        with pytest.raises(RealtimeRefused):
            await stranger.trigger("private-x", "x", {})
