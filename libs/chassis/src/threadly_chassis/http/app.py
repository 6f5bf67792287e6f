"""The application factory: the order of everything around a service's routes, in one place."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from fastapi import APIRouter, FastAPI

from ..clock import Clock
from ..db import Database
from ..outbox import outbox_wakeup
from ..settings import ServiceSettings
from .health import health_router
from .identity import IdentityVerifier
from .middleware import ActionMiddleware
from .problems import install_problem_handlers


class HasDatabase(Protocol):
    """What the chassis needs of a service's dependencies."""

    @property
    def db(self) -> Database:
        """The service's database."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock that its rules read."""
        ...


Settings = TypeVar("Settings", bound=ServiceSettings)


def create_app(
    settings: Settings,
    *,
    routers: Sequence[APIRouter],
    open_deps: Callable[[Settings], AbstractAsyncContextManager[HasDatabase]],
) -> FastAPI:
    """Build a service's application around its routers.

    `open_deps` is entered once at start; what it yields is `request.app.state.deps`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_deps(settings) as deps, outbox_wakeup(deps.db):
            app.state.deps = deps
            app.state.database = deps.db
            yield

    app = FastAPI(
        title=f"Threadly {settings.service}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.identity = IdentityVerifier(settings.identity_public_keys)
    install_problem_handlers(app)

    async def database_answers() -> None:
        await app.state.database.ping()

    app.include_router(health_router(settings.service, settings.release, {"database": database_answers}))
    for routes in routers:
        app.include_router(routes)
    app.add_middleware(ActionMiddleware)
    return app
