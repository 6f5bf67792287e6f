"""Somebody's browser: the unmodified pusher-js client, in Node.js."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .api import Api
from .world import World

_FOLDER = Path(__file__).parent / "js"


class NodeMissing(RuntimeError):
    """pusher-js needs Node.js and npm."""


class StillWaiting(TimeoutError):
    """What was listened for did not come in time."""


async def install() -> None:
    """Install pusher-js from its lock, once; raises `NodeMissing`."""
    if (_FOLDER / "node_modules" / "pusher-js").is_dir():
        return
    if not (shutil.which("npm") and shutil.which("node")):
        raise NodeMissing("Node.js and npm are not installed: apt-get install nodejs npm")
    process = await asyncio.create_subprocess_exec(
        "npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=_FOLDER, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    if process.returncode:
        raise NodeMissing(f"npm ci failed: {error.decode().strip().splitlines()[-1:]}")


class Listener:
    """Listens on some channels on behalf of one person; `async with` it."""

    def __init__(self, world: World, api: Api, *channels: str) -> None:
        self._world = world
        self._api = api
        self._channels = channels
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.events: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        """Start the client and wait until every channel has let it in."""
        await install()
        options = {
            "key": self._world.pusher_key,
            "host": self._world.pusher_host,
            "port": self._world.pusher_port,
            "authEndpoint": f"{self._world.public_url}/v1/realtime/auth",
            "channels": self._channels,
            "token": await self._api.token(),
        }
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "listen.mjs",
            json.dumps(options),
            cwd=_FOLDER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        for channel in self._channels:
            await self._subscribed(channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        if self._process and self._process.stdin:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.close()
            await self._process.wait()
        if self._reader:
            await self._reader

    async def also(self, channel: str) -> None:
        """Listen on one more channel."""
        await self._tell({"token": await self._api.token(), "subscribe": channel})
        await self._subscribed(channel)

    async def heard(
        self,
        event: str,
        fits: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        within: float | None = None,
    ) -> dict[str, Any]:
        """The `data` of the first event of that name that fits; raises `StillWaiting`."""

        def found() -> dict[str, Any] | None:
            named = (each["data"] for each in self.events if each["event"] == event)
            return next(
                (e["data"] for e in named if isinstance(e, dict) and "data" in e and fits(e["data"])), None
            )

        return await self._until(found, f"{event} on {', '.join(self._channels)}", within)

    async def _subscribed(self, channel: str) -> None:
        def found() -> dict[str, Any] | None:
            return next(
                (
                    each
                    for each in self.events
                    if each["channel"] == channel and each["event"] == "pusher:subscription_succeeded"
                ),
                None,
            )

        await self._until(found, f"a subscription to {channel}", None)

    async def _until(
        self, found: Callable[[], dict[str, Any] | None], what: str, within: float | None
    ) -> dict[str, Any]:
        end = time.monotonic() + (within or self._world.patience)
        async with self._changed:
            while (result := found()) is None:
                try:
                    await asyncio.wait_for(self._changed.wait(), min(5.0, max(0.01, end - time.monotonic())))
                except TimeoutError:
                    if time.monotonic() >= end:
                        raise StillWaiting(f"waited for {what}; heard {self.events[-5:]}") from None
                    # Refused while a service restarted, a channel asks again, with a good token.
                    await self._tell({"token": await self._api.token()})
        return result

    async def _tell(self, message: dict[str, Any]) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        while line := await self._process.stdout.readline():
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
