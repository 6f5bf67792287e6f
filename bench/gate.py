"""A door before the broker that can be shut: nothing listens, and whoever was inside is thrown out."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit

from threadly_embedded.ports import LOOPBACK, free_ports


class Gate:
    """Passes bytes between a port of its own and the broker while it is open."""

    def __init__(self, amqp_url: str) -> None:
        parts = urlsplit(amqp_url)
        [self._port] = free_ports(1)
        self._behind = (parts.hostname or LOOPBACK, parts.port or 5672)
        credentials = parts.netloc.rpartition("@")[0]
        place = f"{credentials}@{LOOPBACK}:{self._port}"
        self.url = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; raises `OSError` when the port was taken meanwhile."""
        self._server = await asyncio.start_server(self._pass, LOOPBACK, self._port)

    async def shut(self) -> None:
        """Refuse new connections, and cut off those there are; returns when all are out."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._inside):
            writer.transport.abort()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._behind)
        self._inside |= {writer, there_writer}
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            self._inside -= {writer, there_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
