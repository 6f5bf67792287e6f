"""The Clerk server: the backend API, the key set and the sign-in pages."""

import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..journal import Journal
from ..settings import SandboxSettings
from . import api
from .errors import ClerkError
from .instance import Instance, open_instance
from .sign_in import sign_in_routes

Handler = Callable[[api.Call], Any]

OPERATIONS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/v1/jwks", api.get_key_set),
    ("GET", "/v1/users", api.list_users),
    ("POST", "/v1/users", api.create_user),
    ("GET", "/v1/users/count", api.count_users),
    ("GET", "/v1/users/{id}", api.get_user),
    ("PATCH", "/v1/users/{id}", api.update_user),
    ("DELETE", "/v1/users/{id}", api.delete_user),
    ("PATCH", "/v1/users/{id}/metadata", api.merge_metadata),
    ("POST", "/v1/users/{id}/ban", api.ban_user),
    ("POST", "/v1/users/{id}/unban", api.unban_user),
    ("POST", "/v1/users/{id}/lock", api.lock_user),
    ("POST", "/v1/users/{id}/unlock", api.unlock_user),
    ("POST", "/v1/email_addresses", api.create_email),
    ("GET", "/v1/sessions", api.list_sessions),
    ("POST", "/v1/sessions", api.create_session),
    ("GET", "/v1/sessions/{id}", api.get_session),
    ("POST", "/v1/sessions/{id}/revoke", api.revoke_session),
    ("POST", "/v1/sessions/{id}/tokens", api.create_token),
)


def create_app(settings: SandboxSettings, journal: Journal) -> Starlette:
    """The server; `state.courier` delivers its webhooks, `state.keys` can be rotated."""
    instance = open_instance(settings, journal)
    secret_key = settings.clerk_secret_key.get_secret_value()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with instance.courier.running():
            yield
        instance.documents.close()

    async def well_known(_request: Request) -> Response:
        return JSONResponse(instance.keys.key_set(), headers={"Cache-Control": "public, max-age=60"})

    routes = [
        Route(path, _endpoint(instance, secret_key, handler), methods=[method])
        for method, path, handler in OPERATIONS
    ]
    app = Starlette(
        routes=[
            *routes,
            Route("/.well-known/jwks.json", well_known),
            *sign_in_routes(instance, settings),
        ],
        exception_handlers={404: _unknown, 405: _unknown, ClerkError: _explain},
        lifespan=lifespan,
    )
    app.state.courier = instance.courier
    app.state.keys = instance.keys
    return app


def _endpoint(
    instance: Instance, secret_key: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        _authenticate(request, secret_key)
        call = api.Call(instance, dict(request.path_params), _query(request), await _body(request))
        with instance.documents.transaction():
            answer = handler(call)
        return JSONResponse(answer)

    return endpoint


def _authenticate(request: Request, secret_key: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise ClerkError(401, "authorization_header_format_invalid", "Invalid Authorization header format")
    if not hmac.compare_digest(given.strip().encode(), secret_key.encode()):
        raise ClerkError(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")


def _query(request: Request) -> dict[str, Any]:
    """Values by name; `a=1&a=2` and `a[]=1&a[]=2` are lists."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        key = name.removesuffix("[]")
        values[key] = [*values[key], value] if isinstance(values.get(key), list) else [value]
    return {key: items[0] if len(items) == 1 else items for key, items in values.items()}


async def _body(request: Request) -> Any:
    raw = await request.body()
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError:
        raise ClerkError(400, "request_body_invalid", "The request body is no JSON.") from None


async def _explain(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ClerkError):
        raise error
    return JSONResponse(error.body(), error.status)


async def _unknown(request: Request, _error: Exception) -> Response:
    error = ClerkError(404, "resource_not_found", f"No such path: {request.url.path}")
    return JSONResponse(error.body(), error.status)
