"""RabbitMQ's management interface: what AMQP has no question for. Only tools and tests ask it, no worker."""

import base64
import json
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

_SECONDS = 30


class Management:
    """The interface at a URL with user and password in it; https://www.rabbitmq.com/docs/http-api-reference."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.user = unquote(parts.username or "guest")
        #: Where it is, without the password.
        self.address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        credentials = f"{self.user}:{unquote(parts.password or 'guest')}".encode()
        self._authorization = f"Basic {base64.b64encode(credentials).decode()}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask it; raises `OSError` when it does not answer, its `urllib.error.HTTPError` when it refuses."""
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own setting
            f"{self.address}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            content = answer.read()
        return json.loads(content) if content else None
