"""Several HTTP servers on one event loop, none of which touches the process's signal handlers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

_PATIENCE = 2  # seconds open requests get at the end


class _Server(uvicorn.Server):
    """uvicorn's own handlers would let the last of several servers take all signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def served(app: Starlette, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` while the block runs; yields its address. Port 0 takes a free one.

    Raises OSError when the port is taken, and whatever the application's lifespan raises: it is run
    here and not by uvicorn, which would end the process instead. An `app.state.before_shutdown` is awaited
    while connections are still open.
    """
    listener = socket.create_server((host, port), backlog=512)
    bound: int = listener.getsockname()[1]
    settings = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=_PATIENCE
    )
    async with app.router.lifespan_context(app):
        server = _Server(settings)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{bound}")
        await server.ready.wait()
        try:
            yield f"http://{host}:{bound}"
        finally:
            if (farewell := getattr(app.state, "before_shutdown", None)) is not None:
                await farewell()
            server.should_exit = True
            await serving
