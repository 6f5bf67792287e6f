"""What tests of the sandbox and of its users share: their own providers, somebody who hears from them."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .journal import Journal
from .main import Addresses, sandbox
from .serving import served
from .settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery as it came over the wire."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def type(self) -> str:
        return str(self.event["type"])


class Receiver:
    """A web server that keeps what it is sent; `answers` are the next status codes, then always 204."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.answers: deque[int] = deque()
        self._changed = asyncio.Condition()

    def types(self) -> list[str]:
        return [each.type for each in self.received]

    async def until(self, condition: Callable[["Receiver"], bool], seconds: float = 10) -> None:
        """Wait until `condition` holds; raises TimeoutError, telling what had come."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: condition(self))
        except TimeoutError:
            msg = f"still waiting after {seconds} s; received {self.types()}"
            raise TimeoutError(msg) from None

    async def take(self, request: Request) -> Response:
        delivery = Received(request.url.path, dict(request.headers), await request.body())
        async with self._changed:
            self.received.append(delivery)
            self._changed.notify_all()
        return Response(status_code=self.answers.popleft() if self.answers else 204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/{path:path}", receiver.take, methods=["POST"])])
    async with served(app, "127.0.0.1", 0) as receiver.url:
        yield receiver


@asynccontextmanager
async def provided(
    make: Callable[[SandboxSettings, Journal], Starlette],
    settings: SandboxSettings | None = None,
    port: int = 0,
) -> AsyncIterator[str]:
    """Serve one provider; `make` is the `create_app` of its package. Yields its address."""
    async with served(make(settings or SandboxSettings(), Journal()), "127.0.0.1", port) as url:
        yield url


@asynccontextmanager
async def everything_provided() -> AsyncIterator[Addresses]:
    """Serve the page and all providers on ports that are free."""
    names = ("page", "clerk", "stripe", "algolia", "pusher", "sentry", "smtp")
    ports: dict[str, Any] = {f"{name}_port": 0 for name in names}
    async with sandbox(SandboxSettings(**ports)) as addresses:
        yield addresses
