"""The realtime provider: the HTTP interface and the WebSocket endpoint on one port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..journal import Journal
from ..settings import SandboxSettings
from .http_api import HttpApi
from .hub import Closing, Connection, Hub
from .limits import ACTIVITY_TIMEOUT_SECONDS
from .protocol import Session
from .signing import Signer
from .webhooks import Webhooks, WebhookSettings

_PONG_SECONDS = 30
_OLDEST_PROTOCOL, _NEWEST_PROTOCOL = 5, 7
_NO_SUCH_KEY, _BAD_PROTOCOL = 4001, 4007
_RECONNECT_AT_ONCE, _NO_PONG = 4200, 4201


class Realtime:
    """The WebSocket side: one reading and one writing task for each client."""

    def __init__(self, hub: Hub, signer: Signer, idle_seconds: float) -> None:
        self._hub = hub
        self._signer = signer
        self._idle_seconds = idle_seconds

    async def connect(self, socket: WebSocket) -> None:
        await socket.accept()
        if socket.path_params["key"] != self._signer.key:
            await socket.close(_NO_SUCH_KEY, "App key not in this cluster")
            return
        protocol = socket.query_params.get("protocol", str(_NEWEST_PROTOCOL))
        if not protocol.isdecimal() or not _OLDEST_PROTOCOL <= int(protocol) <= _NEWEST_PROTOCOL:
            await socket.close(_BAD_PROTOCOL, "Unsupported protocol version")
            return
        await self._converse(socket)

    async def _converse(self, socket: WebSocket) -> None:
        connection = self._hub.connect()
        # A timeout of zero would make pusher-js refuse the handshake.
        hello = {"socket_id": connection.socket_id, "activity_timeout": max(1, round(self._idle_seconds))}
        connection.send("pusher:connection_established", hello)
        writer = asyncio.create_task(self._write(socket, connection))
        reader = asyncio.create_task(self._read(socket, connection))
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.disconnect(connection)
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)

    async def _read(self, socket: WebSocket, connection: Connection) -> None:
        session = Session(self._hub, self._signer, connection)
        with suppress(WebSocketDisconnect):
            while True:
                if (text := await _receive(socket, self._idle_seconds)) is None:
                    connection.send("pusher:ping", {})
                    text = await _receive(socket, _PONG_SECONDS)
                if text is None:
                    connection.close(_NO_PONG, "Pong reply not received")
                    await asyncio.Event().wait()  # the writer ends the conversation
                else:
                    session.receive(text)

    async def _write(self, socket: WebSocket, connection: Connection) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                item = await connection.outbox.get()
                if isinstance(item, Closing):
                    await socket.close(item.code, item.reason)
                    return
                await socket.send_text(item)


async def _receive(socket: WebSocket, seconds: float) -> str | None:
    """Read a frame; None when none comes in time."""
    try:
        return await asyncio.wait_for(socket.receive_text(), seconds)
    except TimeoutError:
        return None


def create_app(
    settings: SandboxSettings, journal: Journal, *, idle_seconds: float = ACTIVITY_TIMEOUT_SECONDS
) -> Starlette:
    """Build the provider.

    ``app.state.before_shutdown`` closes every client with 4200, so that it reconnects at once; whoever serves
    the application awaits it before the server stops, since uvicorn itself would say 1012.
    """
    signer = Signer(settings.pusher_key, settings.pusher_secret.get_secret_value())
    webhooks = Webhooks(WebhookSettings().webhook_url, signer)
    hub = Hub(webhooks.happened)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        delivery = asyncio.create_task(webhooks.deliver(), name="pusher webhooks")
        yield
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)

    app = Starlette(
        routes=[
            *HttpApi(settings.pusher_app_id, hub, signer, journal).routes(),
            WebSocketRoute("/app/{key}", Realtime(hub, signer, idle_seconds).connect),
        ],
        lifespan=lifespan,
    )
    app.state.before_shutdown = _closer(hub)
    return app


def _closer(hub: Hub) -> Callable[[], Awaitable[None]]:
    async def close_all() -> None:
        hub.close_all(_RECONNECT_AT_ONCE, "The server is restarting")
        await asyncio.sleep(0)  # let the writers start on their last frame

    return close_all
