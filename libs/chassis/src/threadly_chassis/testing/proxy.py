"""A TCP proxy that misbehaves on demand: the network between a process and its broker or database.

Each direction is hurt by itself: `proxy.up` is what the client says, `proxy.down` what the server answers.
"""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from ..tasks import end_tasks

_CHUNK = 16 * 1024
#: Chunks in flight in one direction of one connection; beyond that the sender feels the back-pressure.
_IN_FLIGHT = 64
_LOOPBACK = "127.0.0.1"


@dataclass(eq=False)
class Direction:
    """How bytes travel one way, for all connections; changes act at once."""

    delay: float = 0.0
    """Seconds that every byte travels."""
    rate: float | None = None
    """Bytes a second of each connection; None for as fast as it goes."""
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def hold(self) -> None:
        """Become a black hole: nothing arrives, not even a hang-up, and nobody is told.

        The bytes are kept and arrive after `release`, as TCP repeats them after a real partition.
        """
        self._open.clear()

    def release(self) -> None:
        """Let pass again what was held."""
        self._open.set()

    def heal(self) -> None:
        """No fault of any kind."""
        self.delay, self.rate = 0.0, None
        self.release()

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes from source to sink until the source ends; then end the sink, too."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
        taking = asyncio.create_task(self._take(source, travelling))
        try:
            await self._give(travelling, sink)
        finally:
            await end_tasks(taking)

    async def _take(
        self, source: asyncio.StreamReader, travelling: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"something"
        while data:
            try:
                data = await source.read(_CHUNK)
            except ConnectionError:
                data = b""
            await travelling.put((asyncio.get_running_loop().time(), data))

    async def _give(self, travelling: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            sent_at, data = await travelling.get()
            early = sent_at + self.delay - asyncio.get_running_loop().time()
            if early > 0:
                await asyncio.sleep(early)
            await self._open.wait()
            if not data:
                return
            sink.write(data)
            await sink.drain()
            if self.rate is not None:
                await asyncio.sleep(len(data) / self.rate)


class TcpProxy:
    """Stands before one server; `async with TcpProxy.before(host, port) as proxy`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self.up = Direction()
        self.down = Direction()
        self.port = 0

    @classmethod
    def before(cls, url: str) -> "TcpProxy":
        """Make the proxy before the server of a URL."""
        return cls(*_place(url))

    def lead_to(self, url: str) -> None:
        """Lead who connects from now on to the server of another URL; those connected stay where they are."""
        self._target = _place(url)

    def url(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@{_LOOPBACK}:{self.port}" if user else f"{_LOOPBACK}:{self.port}"
        return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self.heal()
        await end_tasks(*self._connections)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def accept(self) -> None:
        """Listen, on the same port each time."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, _LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new clients; those connected stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for writers in self._connections.values():
            for writer in writers:
                _reset(writer)

    def hold(self) -> None:
        """Hold both directions."""
        self.up.hold()
        self.down.hold()

    def heal(self) -> None:
        """No fault in either direction; `refuse` is undone by `accept`."""
        self.up.heal()
        self.down.heal()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("served outside a task")
        writers = self._connections[task] = [writer]
        try:
            with contextlib.suppress(OSError):
                behind, to_server = await asyncio.open_connection(*self._target)
                writers.append(to_server)
                await self._carry(self.up.pump(reader, to_server), self.down.pump(behind, writer))
        finally:
            del self._connections[task]
            for each in writers:
                each.close()

    @staticmethod
    async def _carry(*pumps: Coroutine[Any, Any, None]) -> None:
        """Both ways until one ends: AMQP and PostgreSQL know no half-closed connection."""
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(*tasks)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError("the URL names no host and port")
    return parts.hostname, parts.port


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            # Lingering for no time means RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()
