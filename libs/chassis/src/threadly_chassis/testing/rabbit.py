"""Throw-away virtual hosts, and looking into queues, through RabbitMQ's management interface."""

import base64
import json
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4


class RabbitManagement:
    """The management interface at a URL with user and password in it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._base = urlunsplit((parts.scheme, f"{parts.hostname}:{parts.port}", "", "", ""))
        self.user = parts.username or "guest"
        credentials = f"{self.user}:{parts.password or 'guest'}".encode()
        self._authorization = f"Basic {base64.b64encode(credentials).decode()}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask it; raises `urllib.error.HTTPError` when it refuses."""
        request = urllib.request.Request(  # noqa: S310 - the address of the test's own broker
            f"{self._base}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            content = answer.read()
        return json.loads(content) if content else None

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
