"""What auth's routes, handlers and schedules are handed; opened once a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.http.identity import IdentitySigner, IdentityVerifier
from threadly_chassis.reach import Inside, Outside

from .gateways.clerk import Directory, Sessions
from .gateways.clerk_directory import ClerkDirectory, clerk_client
from .gateways.clerk_sessions import ClerkSessions
from .settings import AuthSettings
from .storage.signed_in import RecentExchanges


@dataclass(frozen=True, kw_only=True)
class AuthDeps:
    """Auth's tools."""

    settings: AuthSettings
    db: Database
    clock: Clock
    sessions: Outside[Sessions]
    directory: Outside[Directory]
    signer: Inside[IdentitySigner]
    identity: Inside[IdentityVerifier]
    recent: Outside[RecentExchanges]


@asynccontextmanager
async def open_deps(settings: AuthSettings) -> AsyncIterator[AuthDeps]:
    """Open the database's pool and the client to Clerk; close them at the end."""
    secret_key = settings.clerk_secret_key.get_secret_value()
    timeout = settings.clerk_timeout_seconds
    db = Database.open(settings)
    try:
        async with clerk_client(
            api_url=settings.clerk_api_url, secret_key=secret_key, timeout=timeout
        ) as client:
            yield AuthDeps(
                settings=settings,
                db=db,
                clock=SystemClock(),
                sessions=ClerkSessions(
                    api_url=settings.clerk_api_url,
                    secret_key=secret_key,
                    issuer=settings.clerk_issuer,
                    authorized_parties=settings.clerk_authorized_parties,
                    timeout=timeout,
                ),
                directory=ClerkDirectory(client),
                signer=IdentitySigner(settings.identity_private_key.get_secret_value()),
                identity=IdentityVerifier(settings.identity_public_keys),
                recent=RecentExchanges(limit=10_000),
            )
    finally:
        await db.close()


async def _deps(request: Request) -> AuthDeps:
    deps: AuthDeps = request.app.state.deps
    return deps


#: The running application's tools.
Deps = Annotated[AuthDeps, Depends(_deps)]
