"""What catalog's handlers, routes and schedules are handed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.cache import Cache
from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.reach import Inside, Outside

from .domain.images import ImageHosts
from .domain.listing import ListingRules
from .settings import CatalogSettings


@dataclass(frozen=True)
class CatalogDeps:
    """Opened once a process."""

    settings: CatalogSettings
    db: Database
    clock: Clock
    cache: Outside[Cache]
    rules: Inside[ListingRules]


def listing_rules(settings: CatalogSettings) -> ListingRules:
    """What the settings decide about listings."""
    return ListingRules(
        default_currency=settings.default_currency,
        currencies=settings.currencies,
        image_hosts=ImageHosts(settings.image_hosts, settings.public_url.rstrip("/")),
    )


@asynccontextmanager
async def open_deps(settings: CatalogSettings) -> AsyncIterator[CatalogDeps]:
    """Open the database and the cache; close them at the end."""
    db = Database.open(settings)
    try:
        async with Cache.open(settings.redis_url.get_secret_value(), settings.service) as cache:
            yield CatalogDeps(settings, db, SystemClock(), cache, listing_rules(settings))
    finally:
        await db.close()


async def _deps(request: Request) -> CatalogDeps:
    deps: CatalogDeps = request.app.state.deps
    return deps


Deps = Annotated[CatalogDeps, Depends(_deps)]
