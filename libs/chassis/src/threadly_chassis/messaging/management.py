"""RabbitMQ's management interface: what AMQP has no question for. Only tools and tests ask it, no worker."""

import base64
import json
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

_SECONDS = 30


class Management:
    """The interface at a URL with user and password in it; https://www.rabbitmq.com/docs/http-api-reference.

    Raises `ValueError` for anything else.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        # A password with a / in it ends the address early: what is left looks like one, and shows its head.
        rest = f"{parts.path}{parts.query}{parts.fragment}"
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in rest:
            raise ValueError("this is no address of a management interface")
        self.user = unquote(parts.username or "guest")
        #: Where it is, without the password.
        self.address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        credentials = f"{self.user}:{unquote(parts.password or 'guest')}".encode()
        self._authorization = f"Basic {base64.b64encode(credentials).decode()}"
        # No proxy that the environment names, which would be shown the password.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask it; raises `OSError` when it does not answer, its `urllib.error.HTTPError` when it refuses."""
        request = urllib.request.Request(  # noqa: S310 - the constructor has looked at the scheme
            f"{self.address}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        # Not for whom a redirect names.
        request.add_unredirected_header("Authorization", self._authorization)
        with self._opener.open(request, timeout=_SECONDS) as answer:
            content = answer.read()
        return json.loads(content) if content else None
