"""Auth on a real database, with the sandbox's Clerk behind its real protocol."""

import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import FastAPI
from sqlalchemy import text
from starlette.applications import Starlette

from threadly_auth.dependencies import AuthDeps
from threadly_auth.main import build_app
from threadly_auth.settings import AuthSettings
from threadly_chassis.clock import Clock
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Context
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_sandbox.clerk.app import create_app as create_clerk
from threadly_sandbox.journal import Journal
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings

SECRET_KEY = "sk_test_sandbox"
PARTY = "http://127.0.0.1:3002"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


KEY = Ed25519PrivateKey.generate()
PRIVATE_KEY = _encode(KEY.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
PUBLIC_KEY = _encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    port = _free_port()
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
    return _free_port()


@pytest.fixture
async def telling_clerk(auth_port: int) -> AsyncIterator[Clerk]:
    """Clerk whose webhooks reach `auth_port`."""
    async with _clerk(f"http://127.0.0.1:{auth_port}") as clerk:
        yield clerk


def _settings(clerk: Clerk, database_url: str, amqp_url: str) -> AuthSettings:
    return AuthSettings.model_validate(
        {
            "database_url": database_url,
            "amqp_url": amqp_url,
            "redis_url": "redis://unused",
            "identity_private_key": PRIVATE_KEY,
            "identity_public_keys": (PUBLIC_KEY,),
            "clerk_api_url": clerk.url,
            "clerk_issuer": clerk.url,
            "clerk_authorized_parties": (PARTY,),
            "clerk_secret_key": SECRET_KEY,
            "clerk_sign_in_url": "http://127.0.0.1:7301/sign-in",
        }
    )


@pytest.fixture
def settings(clerk: Clerk, service_database: DatabaseFactory) -> AuthSettings:
    return _settings(clerk, service_database("threadly_auth"), "amqp://unused")


@pytest.fixture
def whole_settings(telling_clerk: Clerk, service_database: DatabaseFactory, vhost: str) -> AuthSettings:
    """Settings for a service that is really connected: Clerk's webhooks in, RabbitMQ behind."""
    return _settings(telling_clerk, service_database("threadly_auth"), vhost)


@dataclass
class Auth:
    """The running service, and questions about what it did."""

    app: FastAPI
    http: httpx.AsyncClient

    @property
    def deps(self) -> AuthDeps:
        deps: AuthDeps = self.app.state.deps
        return deps

    def use_clock(self, clock: Clock) -> None:
        self.app.state.deps = replace(self.deps, clock=clock)

    async def exchange(self, token: str) -> httpx.Response:
        return await self.http.get("/internal/exchange", headers={"Authorization": f"Bearer {token}"})

    async def identity(self, token: str) -> str:
        """Exchange a session token that must be good."""
        answer = await self.exchange(token)
        assert answer.status_code == 204, answer.text
        return answer.headers["X-Identity-Token"]

    async def rows(self) -> list[dict[str, Any]]:
        return await self.query("select * from app_user order by created_at")

    async def events(self, kind: str = "user_%") -> list[tuple[str, int, dict[str, Any]]]:
        """(fact, version, payload) of what was published, in order."""
        rows = await self.query(
            "select event_type, agg_version, convert_from(payload, 'UTF8')::jsonb as payload "
            "from outbox_event where event_type like :kind order by id",
            kind=f"threadly.auth.{kind}",
        )
        return [(row["event_type"].split(".")[2], row["agg_version"], row["payload"]) for row in rows]

    async def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.deps.db.read() as session:
            return [dict(row._mapping) for row in await session.execute(text(statement), values)]

    async def handle(self, handler: Any, event: Any, *, version: int = 1) -> None:
        """Give an event to a handler, in a transaction of its own, as the consumer would."""
        async with self.deps.db.transaction() as tx:
            context = Context(
                deps=self.deps,
                event_id=new_id(),
                version=version,
                occurred_at=datetime.now(UTC),
                attempt=1,
                correlation_id="",
                causation_id=None,
                replay_id=None,
                tx=tx,
            )
            await handler(event, context)


@pytest.fixture
async def auth(settings: AuthSettings) -> AsyncIterator[Auth]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://auth") as http,
    ):
        yield Auth(app, http)
