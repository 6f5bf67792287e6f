"""The author's events in two majors, and the reader's handlers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import text

from threadly_contracts import Event, upcaster

from ...db import Database, Transaction
from ...errors import Permanent
from ...messaging import Consumer, Context, Gate, Subscriptions
from ...rebuild.snapshots import Snapshots
from ...settings import ServiceSettings


class AuthorSettings(ServiceSettings):
    service: ClassVar[str] = "author"


class ReaderSettings(ServiceSettings):
    service: ClassVar[str] = "reader"


@dataclass(frozen=True)
class LibraryDeps:
    settings: ServiceSettings
    db: Database


class StoryToldV1(Event, type="threadly.author.story_told.v1", aggregate="story", subject="story_id"):
    """How the story stands, as it was first published."""

    story_id: str
    title: str


class StoryTold(Event, type="threadly.author.story_told.v2", aggregate="story", subject="story_id"):
    """How the story stands. The reader gives up on the title `unreadable`."""

    story_id: str
    title: str
    mood: str


@upcaster
def _with_a_mood(old: StoryToldV1) -> StoryTold:
    return StoryTold(story_id=old.story_id, title=old.title, mood="unknown")


_TELL = text(
    "insert into story (story_id, version, title) values (:story_id, 1, :title) "
    "on conflict (story_id) do update set version = story.version + 1, title = :title returning version"
)
_COPY = text(
    "insert into copy (story_id, version, title) values (:story_id, :version, :title) "
    "on conflict (story_id) do update set version = :version, title = :title "
    "where copy.version < :version or :overrules"
)
_READ = text(
    "insert into reading (story_id, version, title, mood) values (:story_id, :version, :title, :mood)"
)


async def tell(tx: Transaction, story_id: str, title: str, *, as_v1: bool = False) -> int:
    """Tell a story or tell it anew; returns its new version."""
    version = int((await tx.session.execute(_TELL, {"story_id": story_id, "title": title})).scalar_one())
    event: Event = StoryTold(story_id=story_id, title=title, mood="merry")
    if as_v1:
        event = StoryToldV1(story_id=story_id, title=title)
    await tx.publish(event, version=version)
    return version


async def every_story(deps: LibraryDeps) -> AsyncIterator[tuple[Event, int]]:
    """How each story stands now."""
    async with deps.db.read() as session:
        rows = await session.stream(text("select story_id, version, title from story order by story_id"))
        async for story_id, version, title in rows:
            yield StoryTold(story_id=story_id, title=title, mood="merry"), version


AUTHOR_SNAPSHOTS: Snapshots = {StoryTold: every_story}


async def _copy(event: StoryTold, context: Context[LibraryDeps]) -> None:
    if event.title == "unreadable":
        raise Permanent("told to")
    values = {"story_id": event.story_id, "version": context.version, "title": event.title}
    await context.tx.session.execute(_COPY, {**values, "overrules": context.overrules})
    await context.tx.session.execute(_READ, {**values, "mood": event.mood})


async def _count(event: StoryTold, context: Context[LibraryDeps]) -> None:
    values = {"story_id": f"counted {event.story_id}", "version": context.version, "title": "", "mood": ""}
    await context.tx.session.execute(_READ, values)


AUTHOR = Subscriptions("author")
READER = Subscriptions(
    "reader",
    Consumer("reader.copies", gate=Gate.LATEST, handlers={StoryTold: _copy}, rebuildable=True),
    Consumer("reader.counter", handlers={StoryTold: _count}),
)


@asynccontextmanager
async def open_deps(settings: ServiceSettings) -> AsyncIterator[LibraryDeps]:
    """Open the one dependency of either service."""
    db = Database.open(settings)
    try:
        yield LibraryDeps(settings=settings, db=db)
    finally:
        await db.close()
