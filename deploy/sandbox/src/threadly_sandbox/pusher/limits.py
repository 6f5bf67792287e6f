"""Pusher's limits and the names it accepts (Channels docs, "Application limits", "Channel naming")."""

import re

MAX_DATA_BYTES = 10_240
MAX_CHANNELS = 100
MAX_BATCH = 10
MAX_EVENT_NAME = 200
MAX_CHANNEL_NAME = 164
MAX_MEMBERS = 100
MAX_USER_ID = 128
MAX_USER_INFO_BYTES = 1_024
CLIENT_EVENTS_PER_SECOND = 10
ACTIVITY_TIMEOUT_SECONDS = 120
USER_CHANNEL_PREFIX = "#server-to-user-"

_CHANNEL = re.compile(r"(?:#server-to-user-)?[-a-zA-Z0-9_=@,.;]+\Z")


def valid_channel(name: object) -> bool:
    return isinstance(name, str) and len(name) <= MAX_CHANNEL_NAME and _CHANNEL.match(name) is not None


def is_presence(channel: str) -> bool:
    return channel.startswith("presence-")


def is_protected(channel: str) -> bool:
    """Tell whether a subscription needs the application's signature."""
    return channel.startswith(("private-", "presence-"))
