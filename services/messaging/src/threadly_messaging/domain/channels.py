"""Which real-time channels there are, and whose they are (R-RT-03)."""

import re
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from threadly_chassis.errors import Forbidden

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CHANNEL = re.compile(rf"^(private-user|private-conversation|presence-conversation)-({_UUID})\Z")
_SOCKET_ID = re.compile(r"^\d{1,20}\.\d{1,20}\Z", re.ASCII)


class ChannelRefused(Forbidden):
    """Not a channel for the caller: malformed, unknown and other people's channels look the same (E091)."""

    code = "channel_refused"
    title = "You may not listen to this channel"


class ChannelKind(Enum):
    """What a channel carries."""

    USER = "private-user"
    CONVERSATION = "private-conversation"
    PRESENCE = "presence-conversation"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel by its kind and by whom or what it is about."""

    kind: ChannelKind
    about: UUID

    @property
    def name(self) -> str:
        """The name as Pusher knows it."""
        return f"{self.kind.value}-{self.about}"


def parse_channel(name: str) -> Channel:
    """Read a channel's name; raises `ChannelRefused`."""
    match = _CHANNEL.match(name)
    if match is None:
        raise ChannelRefused
    return Channel(ChannelKind(match[1]), UUID(match[2]))


def parse_socket_id(socket_id: str) -> str:
    """Check a socket's id; raises `ChannelRefused`."""
    if not _SOCKET_ID.match(socket_id):
        raise ChannelRefused
    return socket_id


def conversation_channel(conversation_id: UUID) -> str:
    """The channel on which a conversation's messages and typing notices go out."""
    return Channel(ChannelKind.CONVERSATION, conversation_id).name
