"""What messaging needs of the real-time provider, without saying which it is."""

from typing import Any, Protocol

from threadly_chassis.errors import Permanent, Unavailable

#: Pusher refuses more (413); its SDK's own check lets 30 kB through.
MAX_DATA_BYTES = 10 * 1024


class RealtimeAway(Unavailable):
    """The provider did not take it in time."""

    code = "realtime_unavailable"
    title = "Live updates are not available at the moment"


class RealtimeRefused(Permanent):
    """The provider will never take it: too large, or our keys are wrong."""

    code = "realtime_refused"


class Realtime(Protocol):
    """Authorises listeners and sends what is not worth storing."""

    def authorize(self, channel: str, socket_id: str, member: dict[str, Any] | None = None) -> dict[str, str]:
        """Sign a socket's subscription to a channel; a presence channel's with the member."""
        ...

    def authenticate_user(self, socket_id: str, user: dict[str, Any]) -> dict[str, str]:
        """Sign that a socket belongs to a user."""
        ...

    async def trigger(
        self, channel: str, event: str, data: dict[str, Any], *, except_socket: str | None = None
    ) -> None:
        """Send to all who listen to the channel now; raises `RealtimeAway` or `RealtimeRefused`."""
        ...
