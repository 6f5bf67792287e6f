"""What messaging's routes and handlers are handed; opened once a process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from threadly_chassis.cache import Cache
from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.http.cursors import Cursors
from threadly_chassis.reach import Inside, Outside

from .gateways.pusher_realtime import PusherRealtime
from .gateways.realtime import Realtime
from .settings import MessagingSettings


@dataclass(frozen=True, kw_only=True)
class MessagingDeps:
    """Messaging's tools."""

    settings: MessagingSettings
    db: Database
    clock: Clock
    cache: Outside[Cache]
    realtime: Outside[Realtime]
    inbox_cursors: Inside[Cursors]
    message_cursors: Inside[Cursors]


@asynccontextmanager
async def open_deps(settings: MessagingSettings) -> AsyncIterator[MessagingDeps]:
    """Open the database's pool, the cache and the client to Pusher; close them at the end."""
    cursor_secret = settings.cursor_secret.get_secret_value()
    async with AsyncExitStack() as stack:
        db = Database.open(settings)
        stack.push_async_callback(db.close)
        cache = await stack.enter_async_context(
            Cache.open(settings.redis_url.get_secret_value(), "messaging")
        )
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=settings.pusher_timeout_seconds))
        yield MessagingDeps(
            settings=settings,
            db=db,
            clock=SystemClock(),
            cache=cache,
            realtime=pusher_realtime(settings, http),
            inbox_cursors=Cursors(cursor_secret, "inbox"),
            message_cursors=Cursors(cursor_secret, "messages"),
        )


def pusher_realtime(settings: MessagingSettings, http: httpx.AsyncClient) -> PusherRealtime:
    """Make the way to Pusher that the settings describe."""
    return PusherRealtime(
        host=settings.pusher_host,
        port=settings.pusher_port,
        tls=settings.pusher_tls,
        app_id=settings.pusher_app_id,
        key=settings.pusher_key,
        secret=settings.pusher_secret.get_secret_value(),
        http=http,
    )


async def _deps(request: Request) -> MessagingDeps:
    deps: MessagingDeps = request.app.state.deps
    return deps


#: The running application's tools.
Deps = Annotated[MessagingDeps, Depends(_deps)]
