import asyncio
import fcntl
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pusher
import pytest
from starlette.applications import Starlette

from threadly_sandbox.journal import Journal
from threadly_sandbox.pusher.app import create_app
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings

JS = Path(__file__).parent / "js"
PATIENCE = 10


@pytest.fixture(scope="session")
def pusher_js() -> Path:
    """The official browser client, installed by its lock file beside the script that drives it."""
    with (JS / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel workers share the folder
        installed = JS / "node_modules" / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < (JS / "package-lock.json").stat().st_mtime:
            subprocess.run(["npm", "ci"], cwd=JS, check=True, capture_output=True)  # noqa: S607 - found by PATH
    return JS / "client.mjs"


@dataclass
class Server:
    """A running provider with the official Python client, which blocks and so runs in a thread."""

    port: int
    app: Starlette
    journal: Journal
    api: pusher.Pusher

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self.api, method), *args, **kwargs)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def run(**options: Any) -> Server:
            settings, journal = SandboxSettings(), Journal()
            app = create_app(settings, journal, **options)
            port = int((await stack.enter_async_context(served(app, "127.0.0.1", 0))).rpartition(":")[2])
            api = pusher.Pusher("42", "sandbox-key", "sandbox-secret", ssl=False, host="127.0.0.1", port=port)
            return Server(port, app, journal, api)

        yield run


@pytest.fixture
async def server(start: Callable[..., Any]) -> Server:
    running: Server = await start()
    return running


@dataclass
class Browser:
    """A pusher-js client in its own process; it answers questions for signatures through ``api``."""

    process: asyncio.subprocess.Process
    api: pusher.Pusher
    user: dict[str, Any]
    may: Callable[[str], bool]
    seen: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def command(self, command: str, **rest: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **rest}).encode() + b"\n")
        await self.process.stdin.drain()

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = json.loads(line)
            async with self.news:
                self.seen.append(message)
                self.news.notify_all()
            if message["kind"] == "authorize":
                await self._answer(message["question"], self._authorize(message))
            elif message["kind"] == "authenticate":
                signed = self.api.authenticate_user(message["socket_id"], self.user)
                await self._answer(message["question"], signed)

    def _authorize(self, message: dict[str, Any]) -> dict[str, Any] | None:
        channel = message["channel"]
        if not self.may(channel):
            return None
        presence = {"user_id": self.user["id"], "user_info": self.user["user_info"]}
        data = presence if channel.startswith("presence-") else None
        signed: dict[str, Any] = self.api.authenticate(channel, message["socket_id"], data)
        return signed

    async def _answer(self, question: int, data: dict[str, Any] | None) -> None:
        await self.command("answer", question=question, data=data, error=None if data else "forbidden")

    async def until(self, description: str, fits: Callable[[dict[str, Any]], bool], count: int = 1) -> Any:
        """Wait for the ``count``-th message that fits and return it."""

        def found() -> list[dict[str, Any]]:
            return [message for message in self.seen if fits(message)]

        try:
            async with asyncio.timeout(PATIENCE), self.news:
                await self.news.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            pytest.fail(f"waited {PATIENCE} s for {description}; seen: {self.seen}")
        return found()[count - 1]

    async def state(self, name: str, count: int = 1) -> dict[str, Any]:
        fits = lambda m: m["kind"] == "state" and m["state"] == name  # noqa: E731 - a predicate
        found: dict[str, Any] = await self.until(f"state {name}", fits, count)
        return found

    async def event(self, channel: str, name: str, count: int = 1) -> dict[str, Any]:
        fits = lambda m: (m["kind"], m.get("channel"), m.get("event")) == ("event", channel, name)  # noqa: E731 - a predicate
        found: dict[str, Any] = await self.until(f"{name} on {channel}", fits, count)
        return found

    async def subscribe(self, channel: str) -> dict[str, Any]:
        await self.command("subscribe", channel=channel)
        return await self.event(channel, "pusher:subscription_succeeded")

    def events(self, name: str) -> list[dict[str, Any]]:
        return [m for m in self.seen if m["kind"] == "event" and m["event"] == name]


@pytest.fixture
async def browse(pusher_js: Path) -> AsyncIterator[Callable[..., Any]]:
    """Open pusher-js clients; each is connected when it is handed over, unless its key is wrong."""

    @asynccontextmanager
    async def open_one(server: Server, user: str, options: dict[str, Any]) -> AsyncIterator[Browser]:
        may = options.pop("may", lambda _: True)
        arguments = {"port": server.port, "key": "sandbox-key", **options}
        process = await asyncio.create_subprocess_exec(
            "node",
            str(pusher_js),
            json.dumps(arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        who = {"id": user, "user_info": {"name": user.title()}}
        browser = Browser(process, server.api, who, may)
        listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            await listening

    async with AsyncExitStack() as stack:

        async def run(server: Server, user: str = "ada", **options: Any) -> Browser:
            connected = "key" not in options
            browser = await stack.enter_async_context(open_one(server, user, options))
            if connected:
                await browser.state("connected")
            return browser

        yield run
