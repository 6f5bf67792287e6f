"""Real-time events to browsers and phones, whoever carries them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from threadly_chassis.errors import Permanent, Retryable


class RealtimeUnavailable(Retryable):
    """The provider is away or did not answer in time; the event may or may not have gone out."""

    code = "realtime_unavailable"


class RealtimeRejected(Permanent):
    """The provider refuses this event, and always will."""

    code = "realtime_rejected"


class Realtime(Protocol):
    """Delivers an event to everybody who listens on a channel now; nobody gets it later."""

    async def trigger(self, channels: Sequence[str], name: str, data: Mapping[str, Any]) -> None:
        """Send `{type: name, data}`; raises `RealtimeUnavailable` or `RealtimeRejected`."""
        ...


def user_channel(user_id: object) -> str:
    """The channel that only one user may listen on (flows RT-07)."""
    return f"private-user-{user_id}"


def conversation_channel(conversation_id: object) -> str:
    """The channel of a conversation's two participants (flows RT-08)."""
    return f"private-conversation-{conversation_id}"
