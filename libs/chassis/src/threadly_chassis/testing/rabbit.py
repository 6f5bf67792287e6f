"""Throw-away virtual hosts, and looking into queues, through RabbitMQ's management interface."""

from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

from ..messaging.management import Management


class RabbitManagement(Management):
    """The management interface of a broker for tests."""

    def make_vhost(self) -> str:
        """Make a virtual host; returns its name."""
        name = f"test-{uuid4().hex[:12]}"
        self.call("PUT", f"vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call("PUT", f"permissions/{name}/{quote(self.user)}", everything)
        return name

    def drop_vhost(self, name: str) -> None:
        """Delete a virtual host with all that is in it."""
        self.call("DELETE", f"vhosts/{name}")


def vhost_url(amqp_url: str, name: str) -> str:
    """The broker's URL with another virtual host."""
    parts = urlsplit(amqp_url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))
