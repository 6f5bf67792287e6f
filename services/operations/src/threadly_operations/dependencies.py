"""What operations' handlers, routes, schedules and commands are handed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.messaging.asking import Asker
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.gathering import DeadLetterTaker
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.reach import Inside, Outside
from threadly_contracts import Registry, published_events

from .settings import OperationsSettings


@dataclass(frozen=True)
class OperationsDeps:
    """Opened once a process; the broker's connections are made when first used."""

    settings: OperationsSettings
    db: Database
    clock: Clock
    taker: Outside[DeadLetterTaker]
    publisher: Outside[Publisher]
    asker: Outside[Asker]
    contracts: Inside[Registry] = field(default_factory=published_events)
    """What an edited event must fit."""


@asynccontextmanager
async def open_deps(settings: OperationsSettings) -> AsyncIterator[OperationsDeps]:
    """Open the database; close everything at the end."""
    url = settings.amqp_url.get_secret_value()
    db = Database.open(settings)
    taking = BrokerConnection(url, "operations dead letters")
    publishing = BrokerConnection(url, "operations replay")
    asking = BrokerConnection(url, "operations rehearsals")
    try:
        yield OperationsDeps(
            settings, db, SystemClock(), DeadLetterTaker(taking), Publisher(publishing), Asker(asking)
        )
    finally:
        await taking.close()
        await publishing.close()
        await asking.close()
        await db.close()


async def _deps(request: Request) -> OperationsDeps:
    deps: OperationsDeps = request.app.state.deps
    return deps


Deps = Annotated[OperationsDeps, Depends(_deps)]
