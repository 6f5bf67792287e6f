"""The WebSocket protocol, version 7: what each frame of a client does."""

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .hub import Connection, Hub, Member, user_channel
from .limits import (
    CLIENT_EVENTS_PER_SECOND,
    MAX_DATA_BYTES,
    MAX_EVENT_NAME,
    MAX_MEMBERS,
    MAX_USER_ID,
    MAX_USER_INFO_BYTES,
    USER_CHANNEL_PREFIX,
    is_presence,
    is_protected,
    valid_channel,
)
from .signing import Signer

OVER_QUOTA = 4004
UNAUTHORIZED = 4009
CLIENT_EVENT_REJECTED = 4301


class Refusal(Exception):
    """A frame that is answered with ``pusher:error``."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """The conversation with one client."""

    def __init__(self, hub: Hub, signer: Signer, connection: Connection) -> None:
        self._hub = hub
        self._signer = signer
        self._connection = connection
        self._sent: deque[float] = deque(maxlen=CLIENT_EVENTS_PER_SECOND)
        self._handlers: dict[str, Callable[[Any], None]] = {
            "pusher:ping": lambda _: connection.send("pusher:pong", {}),
            "pusher:pong": lambda _: None,
            "pusher:subscribe": self._subscribe,
            "pusher:unsubscribe": self._unsubscribe,
            "pusher:signin": self._sign_in,
        }

    def receive(self, text: str) -> None:
        """Act on a frame; what cannot be done is answered with ``pusher:error`` and changes nothing."""
        try:
            self._dispatch(json.loads(text))
        except ValueError:
            self._refuse(Refusal("Invalid JSON"))
        except Refusal as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        data = {"code": refusal.code, "message": str(refusal)}
        # The real service sends errors as an object, not as a string of JSON.
        self._connection.send_frame({"event": "pusher:error", "data": data})

    def _dispatch(self, frame: Any) -> None:
        if not isinstance(frame, dict) or not isinstance(frame.get("event"), str):
            raise Refusal("Invalid frame: expected an object with an event")
        event: str = frame["event"]
        if event.startswith("client-"):
            self._client_event(frame)
        elif handler := self._handlers.get(event):
            data = frame.get("data")
            handler(data if isinstance(data, dict) else {})
        else:
            raise Refusal(f"Unknown event {event}")

    # ── subscriptions ──

    def _subscribe(self, data: dict[str, Any]) -> None:
        channel = data.get("channel")
        if not isinstance(channel, str) or not valid_channel(channel):
            raise Refusal(f"Invalid channel name {channel!r}", UNAUTHORIZED)
        if channel.startswith(USER_CHANNEL_PREFIX):
            user_id = self._connection.user_id
            if user_id is None or channel != user_channel(user_id):
                raise Refusal("A user's channel is only for the user who is signed in", UNAUTHORIZED)
        elif is_protected(channel):
            self._check_auth(channel, data)
        member = self._member(channel, data) if is_presence(channel) else None
        self._hub.join(self._connection, channel, member)

    def _check_auth(self, channel: str, data: dict[str, Any]) -> None:
        expected = f"{self._connection.socket_id}:{channel}"
        if isinstance(data.get("channel_data"), str):
            expected += f":{data['channel_data']}"
        if not self._signer.verify_token(data.get("auth"), expected):
            raise Refusal(f"Invalid signature: expected HMAC SHA256 hex digest of {expected}", UNAUTHORIZED)

    def _member(self, channel: str, data: dict[str, Any]) -> Member:
        """Read who joins: from ``channel_data``, or else the user who is signed in."""
        given = _object(data.get("channel_data"))
        if not given and self._connection.user_data is not None:
            signed_in = _object(self._connection.user_data)
            given = {"user_id": signed_in["id"], "user_info": signed_in.get("user_info")}
        user_id = given.get("user_id")
        if not isinstance(user_id, (str, int)) or isinstance(user_id, bool) or not str(user_id):
            raise Refusal("channel_data must be JSON with a user_id", UNAUTHORIZED)
        member = Member(str(user_id), given.get("user_info"))
        if len(member.user_id) > MAX_USER_ID or _size(member.user_info) > MAX_USER_INFO_BYTES:
            raise Refusal("user_id or user_info is too long", UNAUTHORIZED)
        known = self._hub.channels.get(channel)
        members = known.members() if known else {}
        if member.user_id not in members and len(members) >= MAX_MEMBERS:
            raise Refusal(
                f"Presence channel {channel} is over its limit of {MAX_MEMBERS} members", OVER_QUOTA
            )
        return member

    def _unsubscribe(self, data: dict[str, Any]) -> None:
        self._hub.leave(self._connection, str(data.get("channel")))

    # ── users and client events ──

    def _sign_in(self, data: dict[str, Any]) -> None:
        user_data = data.get("user_data")
        text = f"{self._connection.socket_id}::user::{user_data}"
        if not isinstance(user_data, str) or not self._signer.verify_token(data.get("auth"), text):
            raise Refusal("Invalid sign-in signature", UNAUTHORIZED)
        user_id = _object(user_data).get("id")
        if not isinstance(user_id, str) or not user_id:
            raise Refusal("user_data must be JSON with an id that is a string", UNAUTHORIZED)
        self._connection.user_id = user_id
        self._connection.user_data = user_data
        self._connection.send("pusher:signin_success", {"user_data": user_data})

    def _client_event(self, frame: dict[str, Any]) -> None:
        event, channel, data = frame["event"], frame.get("channel"), frame.get("data")
        if channel not in self._connection.channels or not is_protected(channel):
            raise Refusal(
                "Client event rejected - only subscribers of private and presence channels send them",
                CLIENT_EVENT_REJECTED,
            )
        if len(event) > MAX_EVENT_NAME or _size(data) > MAX_DATA_BYTES:
            raise Refusal("Client event rejected - too long", CLIENT_EVENT_REJECTED)
        self._limit_rate()
        member = self._connection.memberships.get(channel)
        extra = {"user_id": member.user_id} if member else {}
        frame = {"event": event, "channel": channel, "data": data, **extra}
        self._hub.relay(frame, self._connection)

    def _limit_rate(self) -> None:
        now = time.monotonic()
        if len(self._sent) == CLIENT_EVENTS_PER_SECOND and now - self._sent[0] < 1:
            raise Refusal("The client event rate limit was exceeded", CLIENT_EVENT_REJECTED)
        self._sent.append(now)


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _size(data: Any) -> int:
    return len((data if isinstance(data, str) else json.dumps(data)).encode())
