"""Who is connected, who listens to what, and who is present: the state of the realtime provider.

Everything runs on one event loop and changes without awaiting, so that no state is ever half changed.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .limits import USER_CHANNEL_PREFIX, is_presence

logger = logging.getLogger(__name__)

_BACKLOG = 1_000  # frames a slow client may leave unread before it is closed
OVER_CAPACITY = 4100


@dataclass(frozen=True)
class Member:
    """A user on a presence channel."""

    user_id: str
    user_info: Any


@dataclass(frozen=True)
class Closing:
    """The last thing in a connection's queue."""

    code: int
    reason: str


@dataclass(eq=False)
class Connection:
    """One WebSocket: frames to send, and what it joined."""

    socket_id: str
    outbox: asyncio.Queue[str | Closing] = field(default_factory=lambda: asyncio.Queue(_BACKLOG))
    channels: set[str] = field(default_factory=set)
    memberships: dict[str, Member] = field(default_factory=dict)
    user_id: str | None = None
    user_data: str | None = None

    def send(self, event: str, data: dict[str, Any], channel: str | None = None) -> None:
        """Queue a frame; its data is sent as a string of JSON, as the protocol wants it."""
        frame = {"event": event, "data": json.dumps(data)}
        if channel is not None:
            frame["channel"] = channel
        self.send_frame(frame)

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Queue a frame as it is: client events and errors carry their data as given."""
        self._put(json.dumps(frame))

    def close(self, code: int, reason: str) -> None:
        self._put(Closing(code, reason))

    def _put(self, item: str | Closing) -> None:
        if self.outbox.full():
            logger.warning("pusher connection %s is too slow and is closed", self.socket_id)
            while not self.outbox.empty():
                self.outbox.get_nowait()
            item = Closing(OVER_CAPACITY, "Over capacity")
        self.outbox.put_nowait(item)


@dataclass
class Channel:
    """A channel that someone listens to."""

    name: str
    connections: set[Connection] = field(default_factory=set)

    def members(self) -> dict[str, Member]:
        """The users present, each once however many connections they have."""
        return {
            membership.user_id: membership
            for connection in self.connections
            if (membership := connection.memberships.get(self.name))
        }


Happening = Callable[[dict[str, Any]], None]


class Hub:
    """All connections and channels. ``happened`` is told of what webhooks report."""

    def __init__(self, happened: Happening) -> None:
        self._happened = happened
        self._connections: dict[str, Connection] = {}
        self._channels: dict[str, Channel] = {}

    @property
    def channels(self) -> dict[str, Channel]:
        return self._channels

    def connect(self) -> Connection:
        connection = Connection(f"{secrets.randbelow(10**9)}.{secrets.randbelow(10**9)}")
        self._connections[connection.socket_id] = connection
        return connection

    def disconnect(self, connection: Connection) -> None:
        for channel in list(connection.channels):
            self.leave(connection, channel)
        self._connections.pop(connection.socket_id, None)

    def close_all(self, code: int, reason: str) -> None:
        for connection in self._connections.values():
            connection.close(code, reason)

    def join(self, connection: Connection, name: str, member: Member | None) -> None:
        """Subscribe; the caller has checked that it may. Joining twice changes nothing but is confirmed."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(name)
            self._happened({"name": "channel_occupied", "channel": name})
        already = connection in channel.connections
        known = channel.members()
        channel.connections.add(connection)
        connection.channels.add(name)
        if member is not None and not already:
            connection.memberships[name] = member
        connection.send("pusher_internal:subscription_succeeded", _presence(channel), name)
        if member is not None and member.user_id not in known:
            self._announce(channel, "member_added", member, {"user_info": member.user_info})

    def leave(self, connection: Connection, name: str) -> None:
        channel = self._channels.get(name)
        if channel is None or connection not in channel.connections:
            return
        channel.connections.discard(connection)
        connection.channels.discard(name)
        member = connection.memberships.pop(name, None)
        if member is not None and member.user_id not in channel.members():
            self._announce(channel, "member_removed", member, {})
        if not channel.connections:
            del self._channels[name]
            self._happened({"name": "channel_vacated", "channel": name})

    def _announce(self, channel: Channel, name: str, member: Member, extra: dict[str, Any]) -> None:
        for connection in channel.connections:
            if connection.memberships.get(channel.name, member).user_id != member.user_id:
                data = {"user_id": member.user_id, **extra}
                connection.send(f"pusher_internal:{name}", data, channel.name)
        self._happened({"name": name, "channel": channel.name, "user_id": member.user_id})

    def publish(self, frame: dict[str, Any], without: str | None = None) -> int:
        """Send a frame to the subscribers of its channel but the ``without`` socket; return to how many."""
        channel = self._channels.get(frame["channel"])
        receivers = [one for one in channel.connections if one.socket_id != without] if channel else []
        for connection in receivers:
            connection.send_frame(frame)
        return len(receivers)

    def relay(self, frame: dict[str, Any], sender: Connection) -> None:
        """Pass a client event on to the other subscribers."""
        self.publish(frame, without=sender.socket_id)
        self._happened({**frame, "name": "client_event", "socket_id": sender.socket_id})

    def terminate_user(self, user_id: str, code: int, reason: str) -> int:
        """Close every connection signed in as the user; those only present on a channel stay."""
        signed_in = [one for one in self._connections.values() if one.user_id == user_id]
        for connection in signed_in:
            connection.close(code, reason)
        return len(signed_in)


def _presence(channel: Channel) -> dict[str, Any]:
    if not is_presence(channel.name):
        return {}
    members = channel.members()
    hashed = {user_id: member.user_info for user_id, member in members.items()}
    return {"presence": {"ids": list(members), "hash": hashed, "count": len(members)}}


def user_channel(user_id: str) -> str:
    return USER_CHANNEL_PREFIX + user_id
