import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from threadly_chassis.cache import Cache


class Cable:
    """A way to Redis that can be cut, stopped up and mended."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0
        self.passes = asyncio.Event()
        self.passes.set()
        self.connections = 0

    @property
    def url(self) -> str:
        user = f"{self._to.username or ''}:{self._to.password}@" if self._to.password else ""
        return urlunsplit(self._to._replace(netloc=f"{user}127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        self.passes.set()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.passes.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def cable(redis_url: str) -> AsyncIterator[Cable]:
    cable = Cable(redis_url)
    await cable.mend()
    yield cable
    await cable.cut()


@pytest.fixture
def namespace() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
async def cache(redis_url: str, namespace: str) -> AsyncIterator[Cache]:
    async with Cache.open(redis_url, namespace) as cache:
        yield cache


@pytest.fixture
async def other_process(redis_url: str, namespace: str) -> AsyncIterator[Cache]:
    """The same namespace through another cache: no memory, flights or connections shared."""
    async with Cache.open(redis_url, namespace) as cache:
        yield cache


class Source:
    """Data behind a cache: counts its loads, and can be held up in the middle of one."""

    def __init__(self) -> None:
        self.value: Any = 1
        self.loads = 0
        self.under_way = 0
        self.most_at_once = 0
        self.started = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.error: Exception | None = None

    async def __call__(self) -> Any:
        self.loads += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        seen = self.value
        self.started.set()
        try:
            await self.may_finish.wait()
        finally:
            self.under_way -= 1
        if self.error:
            raise self.error
        return seen


@pytest.fixture
def source() -> Source:
    return Source()
