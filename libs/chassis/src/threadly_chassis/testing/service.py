"""A service in the test's own process, called as the gateway calls it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import httpx
from fastapi import FastAPI

from threadly_contracts import Event

from ..http import Principal
from ..http.app import HasDatabase
from ..settings import ServiceSettings
from .database import Published, published, query, statements, waits_for_a_lock
from .handlers import Handler, run_handler
from .identity import TestIdentity

_NEWEST = (
    "select distinct on (agg_id) agg_id, agg_version, convert_from(payload, 'UTF8')::jsonb as payload "
    "from outbox_event where agg_type = :aggregate order by agg_id, agg_version desc"
)

Settings = TypeVar("Settings", bound=ServiceSettings)
Deps = TypeVar("Deps", bound=HasDatabase)


def settings_for(kind: type[Settings], database_url: str, identity: TestIdentity, **more: Any) -> Settings:
    """A service's settings, not read from the environment; servers that are not named cannot be reached."""
    return kind.model_validate(
        {
            "database_url": database_url,
            "amqp_url": "amqp://unused",
            "redis_url": "redis://unused",
            "identity_public_keys": (identity.public_key,),
        }
        | more
    )


@asynccontextmanager
async def client_for(
    app: FastAPI, headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application and call it without a socket; `headers` go with every call."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://service", headers=headers, timeout=60
        ) as client,
    ):
        yield client


@dataclass
class RunningService(Generic[Deps]):
    """A started application, its client, and questions about what it did; suites add their own words.

    `own_events` is a LIKE pattern of the types, without `threadly.`, that its suite asks about.
    """

    own_events: ClassVar[str] = "%"

    app: FastAPI
    http: httpx.AsyncClient
    identity: TestIdentity

    @property
    def deps(self) -> Deps:
        """What its routes and handlers are handed."""
        deps: Deps = self.app.state.deps
        return deps

    def change(self, **parts: Any) -> None:
        """Exchange some of its dependencies, the clock for example."""
        deps: Any = self.deps
        self.app.state.deps = replace(deps, **parts)

    async def call(
        self, method: str, path: str, by: Principal | None = None, **options: Any
    ) -> httpx.Response:
        """Call a path below `/v1` as somebody or nobody; `options` are httpx's."""
        headers = {**(self.identity.headers(by) if by else {}), **options.pop("headers", {})}
        return await self.http.request(method, f"/v1{path}", headers=headers, **options)

    async def handle(
        self, handler: Handler, event: Event, *, version: int | None = None, event_id: UUID | None = None
    ) -> None:
        """Give an event to a handler, as its consumer would."""
        await run_handler(handler, event, self.deps, version=version, event_id=event_id)

    async def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a statement."""
        return await query(self.deps.db, statement, **values)

    async def events(self, subject: object | None = None, *, kind: str | None = None) -> list[Published]:
        """What it published, in order: about one aggregate or all, of its own types or those of `kind`."""
        return await published(self.deps.db, kind or self.own_events, subject)

    async def newest(self, aggregate: str) -> dict[str, tuple[int, dict[str, Any]]]:
        """Version and payload of the newest event of each aggregate of a type, by its id."""
        rows = await self.query(_NEWEST, aggregate=aggregate)
        return {row["agg_id"]: (row["agg_version"], row["payload"]) for row in rows}

    async def waits_for_a_lock(self) -> bool:
        """Whether somebody waits for a lock in its database."""
        return await waits_for_a_lock(self.deps.db)

    def statements(self) -> AbstractAsyncContextManager[list[str]]:
        """The statements that are sent inside the block."""
        return statements(self.deps.db)
