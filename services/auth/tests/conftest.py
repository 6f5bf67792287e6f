"""Auth on a real database, with the sandbox's Clerk behind its real protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from threadly_auth.dependencies import AuthDeps
from threadly_auth.main import build_app
from threadly_auth.settings import AuthSettings
from threadly_chassis.ids import new_id
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.ports import free_port
from threadly_chassis.testing.service import RunningService, client_for, settings_for
from threadly_sandbox.clerk.app import create_app as create_clerk
from threadly_sandbox.journal import Journal
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings

SECRET_KEY = "sk_test_sandbox"
PARTY = "http://127.0.0.1:3002"


@dataclass
class Clerk:
    """The sandbox's Clerk, as its dashboard and its sign-in page use it."""

    url: str
    app: Starlette
    http: httpx.AsyncClient

    async def add(self, **fields: Any) -> str:
        """Make a user; returns Clerk's id."""
        asked = {"email_address": [f"{new_id()}@example.com"], "first_name": "Ada", "last_name": "Byron"}
        return str((await self._call("POST", "/v1/users", asked | fields))["id"])

    async def user(self, clerk_id: str) -> dict[str, Any]:
        return await self._call("GET", f"/v1/users/{clerk_id}")

    async def change(self, clerk_id: str, **fields: Any) -> None:
        await self._call("PATCH", f"/v1/users/{clerk_id}", fields)

    async def ban(self, clerk_id: str) -> None:
        await self._call("POST", f"/v1/users/{clerk_id}/ban")

    async def remove(self, clerk_id: str) -> None:
        await self._call("DELETE", f"/v1/users/{clerk_id}")

    async def session_token(self, clerk_id: str) -> str:
        """Sign the user in."""
        session = await self._call("POST", "/v1/sessions", {"user_id": clerk_id})
        return str((await self._call("POST", f"/v1/sessions/{session['id']}/tokens"))["jwt"])

    def forged(self, **changes: Any) -> str:
        """A token with Clerk's own signature over claims of the test's choice; None leaves a claim out."""
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "azp": PARTY,
            "exp": now + 60,
            "iat": now,
            "nbf": now - 10,
            "iss": self.url,
            "sid": "sess_1",
            "sts": "active",
            "sub": "user_1",
        } | changes
        return str(self.app.state.keys.sign({name: c for name, c in claims.items() if c is not None}))

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body)
        content: dict[str, Any] = answer.raise_for_status().json()
        return content


@asynccontextmanager
async def _clerk(public_url: str) -> AsyncIterator[Clerk]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = SandboxSettings(
        clerk_port=port, clerk_issuer=url, public_url=public_url, clerk_authorized_party=PARTY
    )
    app = create_clerk(settings, Journal())
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    async with served(app, "127.0.0.1", port), httpx.AsyncClient(base_url=url, headers=headers) as http:
        yield Clerk(url, app, http)


@pytest.fixture
async def clerk() -> AsyncIterator[Clerk]:
    """Clerk whose webhooks reach nobody."""
    async with _clerk("http://127.0.0.1:9") as clerk:
        yield clerk


@pytest.fixture
def auth_port() -> int:
    return free_port()


@pytest.fixture
async def telling_clerk(auth_port: int) -> AsyncIterator[Clerk]:
    """Clerk whose webhooks reach `auth_port`."""
    async with _clerk(f"http://127.0.0.1:{auth_port}") as clerk:
        yield clerk


def _settings(clerk: Clerk, database_url: str, identity: TestIdentity, **more: Any) -> AuthSettings:
    return settings_for(
        AuthSettings,
        database_url,
        identity,
        identity_private_key=identity.private_key,
        clerk_api_url=clerk.url,
        clerk_issuer=clerk.url,
        clerk_authorized_parties=(PARTY,),
        clerk_secret_key=SECRET_KEY,
        clerk_sign_in_url="http://127.0.0.1:7301/sign-in",
        **more,
    )


@pytest.fixture
def settings(clerk: Clerk, service_database: DatabaseFactory, identity: TestIdentity) -> AuthSettings:
    return _settings(clerk, service_database("threadly_auth"), identity)


@pytest.fixture
def whole_settings(
    telling_clerk: Clerk, service_database: DatabaseFactory, identity: TestIdentity, vhost: str
) -> AuthSettings:
    """Settings for a service that is really connected: Clerk's webhooks in, RabbitMQ behind."""
    return _settings(telling_clerk, service_database("threadly_auth"), identity, amqp_url=vhost)


@dataclass
class Auth(RunningService[AuthDeps]):
    """The running service, and questions about what it did."""

    own_events = "auth.user_%"

    async def exchange(self, token: str) -> httpx.Response:
        return await self.http.get("/internal/exchange", headers={"Authorization": f"Bearer {token}"})

    async def identity_token(self, token: str) -> str:
        """Exchange a session token that must be good."""
        answer = await self.exchange(token)
        assert answer.status_code == 204, answer.text
        return answer.headers["X-Identity-Token"]

    async def rows(self) -> list[dict[str, Any]]:
        return await self.query("select * from app_user order by created_at")


@pytest.fixture
async def auth(settings: AuthSettings, identity: TestIdentity) -> AsyncIterator[Auth]:
    app = build_app(settings)
    async with client_for(app) as http:
        yield Auth(app, http, identity)
