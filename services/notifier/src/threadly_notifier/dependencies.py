"""What notifier's handlers and routes are handed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.reach import Outside

from .gateways.mailer import Mailer
from .gateways.pusher_realtime import PusherRealtime
from .gateways.realtime import Realtime
from .gateways.smtp_mailer import SmtpMailer
from .settings import NotifierSettings


@dataclass(frozen=True)
class NotifierDeps:
    """Opened once a process."""

    settings: NotifierSettings
    db: Database
    clock: Clock
    realtime: Outside[Realtime]
    mailer: Outside[Mailer]


@asynccontextmanager
async def open_deps(settings: NotifierSettings) -> AsyncIterator[NotifierDeps]:
    """Open the database and the providers' clients; close them at the end."""
    db = Database.open(settings)
    realtime = PusherRealtime(settings)
    try:
        yield NotifierDeps(settings, db, SystemClock(), realtime, SmtpMailer(settings))
    finally:
        await realtime.close()
        await db.close()


async def _deps(request: Request) -> NotifierDeps:
    deps: NotifierDeps = request.app.state.deps
    return deps


Deps = Annotated[NotifierDeps, Depends(_deps)]
