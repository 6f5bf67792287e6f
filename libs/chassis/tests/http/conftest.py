"""A small service on the chassis: notes that people keep, in a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from pydantic import SecretStr
from sqlalchemy import text

from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.errors import Conflict, Unavailable
from threadly_chassis.http import (
    CurrentPrincipal,
    CurrentTransaction,
    OperatorPrincipal,
    Principal,
    RequestModel,
    create_app,
    router,
)
from threadly_chassis.http.identity import IdentitySigner
from threadly_chassis.ids import new_id
from threadly_chassis.settings import ServiceSettings
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_contracts import Event

IDENTITY = TestIdentity()


class NoteWritten(Event, type="threadly.notes.note_written.v1", aggregate="note", subject="note_id"):
    note_id: UUID


class NoteTaken(Conflict):
    code = "note_taken"
    title = "Somebody has this note"


class NewNote(RequestModel):
    words: str


class NotesSettings(ServiceSettings):
    service: ClassVar[str] = "notes"


@dataclass(frozen=True)
class NotesDeps:
    db: Database
    clock: Clock


notes = router("/v1/notes", tags=["notes"])


@notes.post("", status_code=201)
async def write(body: NewNote, tx: CurrentTransaction, principal: CurrentPrincipal) -> dict[str, str]:
    note_id = new_id()
    await tx.session.execute(
        text("insert into note (id, words) values (:id, :words)"), {"id": note_id, "words": body.words}
    )
    await tx.publish(NoteWritten(note_id=note_id), version=1)
    if body.words == "taken":
        raise NoteTaken("Ask again later.", retry_after=5)
    if body.words == "broken":
        msg = "the secret is 12345"
        raise RuntimeError(msg)
    return {"id": str(note_id)}


@notes.post("/{first}/before/{second}", status_code=204)
async def touch_both(first: str, second: str, tx: CurrentTransaction, request: Request) -> None:
    """Lock one note, wait for the test's word, lock the other."""
    touch = text("update note set words = words where words = :words")
    await tx.session.execute(touch, {"words": first})
    await request.app.state.both_hold.wait()
    await tx.session.execute(touch, {"words": second})


@notes.post("/afterwards", status_code=201)
async def write_and_tell(
    body: NewNote, tx: CurrentTransaction, principal: CurrentPrincipal, request: Request
) -> None:
    """Write a note; once that is certain count the notes that others see, fail, and count again."""
    seen: list[int | str] = request.app.state.seen

    async def count() -> None:
        async with request.app.state.database.read() as session:
            seen.append(int(await session.scalar(text("select count(*) from note")) or 0))

    async def fail() -> None:
        seen.append("failing")
        raise RuntimeError("the cache is on fire")

    for work in (count, fail, count):
        tx.after_commit(work)
    await write(body, tx, principal)


@notes.get("/away")
async def away() -> None:
    raise Unavailable("The shelf is closed.", retry_after=7)


@notes.get("/number")
async def number(n: Annotated[int, Query(ge=1)]) -> int:
    return n


@notes.get("/all")
async def all_notes(_: OperatorPrincipal) -> list[str]:
    return []


@notes.get("/me")
async def me(principal: CurrentPrincipal, request: Request) -> dict[str, str]:
    return {"id": str(principal.user_id), "name": principal.name}


TokenMaker = Callable[..., str]


@pytest.fixture
def principal() -> Principal:
    return somebody("Ada")


@pytest.fixture
def token() -> TokenMaker:
    def make(
        principal: Principal, *, age: timedelta = timedelta(), private_key: str = IDENTITY.private_key
    ) -> str:
        signer = IdentitySigner(private_key)
        return signer.sign(principal, now=datetime.now(UTC) - age, lifetime=timedelta(seconds=60))

    return make


@pytest.fixture
async def database(service_database: DatabaseFactory) -> AsyncIterator[Database]:
    db = Database.at(service_database("threadly_chassis"))
    async with db.transaction() as tx:
        await tx.session.execute(
            text("create table note (id uuid primary key, words text unique deferrable initially deferred)")
        )
    yield db
    await db.close()


@pytest.fixture
async def app(database: Database) -> AsyncIterator[FastAPI]:
    settings = NotesSettings(
        database_url=SecretStr("postgresql://unused"),
        amqp_url=SecretStr("amqp://unused"),
        redis_url=SecretStr("redis://unused"),
        identity_public_keys=(IDENTITY.public_key,),
    )

    @asynccontextmanager
    async def open_deps(_: NotesSettings) -> AsyncIterator[NotesDeps]:
        yield NotesDeps(database, SystemClock())

    app = create_app(settings, routers=[notes], open_deps=open_deps)
    async with app.router.lifespan_context(app):
        app.state.both_hold = asyncio.Barrier(2)
        app.state.seen = []
        yield app


@pytest.fixture
async def client(app: FastAPI, principal: Principal, token: TokenMaker) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token(principal)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://notes", headers=headers) as client:
        yield client


@pytest.fixture
def count(database: Database) -> Callable[[str], Awaitable[int]]:
    async def rows(table: str) -> int:
        async with database.read() as session:
            return int(await session.scalar(text(f"select count(*) from {table}")) or 0)  # noqa: S608 - test's own name

    return rows
