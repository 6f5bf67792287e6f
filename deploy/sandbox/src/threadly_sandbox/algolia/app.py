"""Algolia's REST interface: routes, rights, faults and error shapes."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..journal import Journal
from ..settings import SandboxSettings
from . import reading, writing
from .engine import Engine
from .errors import AlgoliaError, bad_request
from .faults import Faults
from .keys import ALL_ACLS, SEARCH_ONLY_KEY, grant
from .request import Call


@dataclass(frozen=True)
class Endpoint:
    """One row of the interface: the handler and the right its key must have."""

    method: str
    path: str
    right: str
    handler: Callable[[Call], Awaitable[dict[str, Any]]]
    status: int = 200


# The first row that fits is taken: fixed paths stand before those with an object's id.
ENDPOINTS = [
    Endpoint("GET", "/1/indexes", "listIndexes", reading.list_indexes),
    Endpoint("POST", "/1/indexes/*/queries", "search", reading.multi_search),
    Endpoint("POST", "/1/indexes/*/objects", "search", reading.get_objects),
    Endpoint("POST", "/1/indexes/*/batch", "addObject", writing.multi_batch),
    Endpoint("POST", "/1/indexes/{index}/query", "search", reading.search),
    Endpoint("POST", "/1/indexes/{index}/browse", "browse", reading.browse),
    Endpoint("POST", "/1/indexes/{index}/facets/{attribute}/query", "search", reading.search_facet),
    Endpoint("GET", "/1/indexes/{index}/settings", "settings", reading.get_settings),
    Endpoint("PUT", "/1/indexes/{index}/settings", "editSettings", writing.set_settings),
    Endpoint("GET", "/1/indexes/{index}/task/{task_id}", "addObject", reading.get_task),
    Endpoint("GET", "/1/task/{task_id}", "addObject", reading.get_task),
    Endpoint("POST", "/1/indexes/{index}/batch", "addObject", writing.batch),
    Endpoint("POST", "/1/indexes/{index}/clear", "deleteIndex", writing.clear),
    Endpoint("POST", "/1/indexes/{index}/operation", "addObject", writing.copy_or_move),
    Endpoint("POST", "/1/indexes/{index}/deleteByQuery", "deleteIndex", writing.delete_by),
    Endpoint("POST", "/1/indexes/{index}/{object_id:path}/partial", "addObject", writing.partial_update),
    Endpoint("POST", "/1/indexes/{index}", "addObject", writing.save_without_id, status=201),
    Endpoint("DELETE", "/1/indexes/{index}", "deleteIndex", writing.delete_index),
    Endpoint("GET", "/1/indexes/{index}/{object_id:path}", "search", reading.get_object),
    Endpoint("PUT", "/1/indexes/{index}/{object_id:path}", "addObject", writing.save),
    Endpoint("DELETE", "/1/indexes/{index}/{object_id:path}", "deleteObject", writing.delete_object),
]


def create_app(settings: SandboxSettings, journal: Journal) -> Starlette:  # noqa: ARG001 - one signature for all providers; searches leave no journal entries
    """Build the provider; its records live under ``data_dir`` and survive a restart there."""
    folder = settings.data_dir / "algolia" if settings.data_dir else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        engine = app.state.engine = Engine(folder)
        app.state.faults = Faults()
        await engine.start()
        yield
        await engine.stop()

    return Starlette(
        routes=[
            Route("/control", control, methods=["GET", "POST"]),
            Route("/1/isalive", is_alive, methods=["GET"]),
            *(
                Route(
                    row.path, _handler(row, settings), methods=[row.method], name=f"{row.method} {row.path}"
                )
                for row in ENDPOINTS
            ),
        ],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]),
        ],
        exception_handlers={404: _no_such_path, 405: _no_such_path},
        lifespan=lifespan,
    )


async def control(request: Request) -> JSONResponse:
    """Switch faults on and off; a field that is left out goes back to its harmless default."""
    if request.method == "POST":
        try:
            request.app.state.faults = Faults.model_validate_json(await request.body())
        except ValidationError as error:
            return _error(AlgoliaError(400, str(error)))
    return JSONResponse(request.app.state.faults.model_dump())


async def is_alive(_: Request) -> JSONResponse:
    return JSONResponse({"message": "server is alive"})


def _handler(row: Endpoint, settings: SandboxSettings) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def handle(request: Request) -> JSONResponse:
        try:
            call = await _read(request, settings)
            call.grant.check(row.right, call.index)
            return JSONResponse(await row.handler(call), status_code=row.status)
        except AlgoliaError as error:
            return _error(error)

    return handle


async def _read(request: Request, settings: SandboxSettings) -> Call:
    faults: Faults = request.app.state.faults
    await faults.strike()
    engine: Engine = request.app.state.engine
    keys: dict[str, dict[str, Any]] = {
        settings.algolia_api_key.get_secret_value(): {"acl": ALL_ACLS},
        SEARCH_ONLY_KEY: {"acl": ("search",)},
    }
    return Call(
        engine=engine,
        grant=grant(
            _credential(request, "x-algolia-application-id"),
            _credential(request, "x-algolia-api-key"),
            settings.algolia_app_id,
            keys,
        ),
        path={name: str(value) for name, value in request.path_params.items()},
        parameters=dict(request.query_params),
        body=_decoded(request, await request.body()),
        drop_writes=faults.drop_writes,
    )


def _credential(request: Request, name: str) -> str | None:
    """Browsers send credentials in the query, so that no preflight is needed."""
    return request.headers.get(name) or request.query_params.get(name)


def _decoded(request: Request, raw: bytes) -> Any:
    if not raw:
        return {}
    try:
        body = gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw
        return json.loads(body)
    except (ValueError, OSError, EOFError, zlib.error):
        raise bad_request("Invalid JSON in the request body") from None


def _error(error: AlgoliaError) -> JSONResponse:
    headers = {"Retry-After": "1"} if error.status == 429 else None  # noqa: PLR2004 - too many requests
    return JSONResponse({"message": error.message, "status": error.status}, error.status, headers)


async def _no_such_path(request: Request, _: Exception) -> JSONResponse:
    return _error(AlgoliaError(404, f"Path not found: {request.method} {request.url.path}"))
