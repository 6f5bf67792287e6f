"""Rehearsals of dead letters: asked by operators, answered by the consumer's own worker (F42)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.rehearsals import letter_of
from threadly_chassis.testing.specimen.cluster import open_specimen
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN, Specimen
from threadly_chassis.testing.specimen.service import NoteWritten
from threadly_operations.cli import app as threadly
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.settings import OperationsSettings
from threadly_operations.storage import dead_letters
from threadly_operations.storage.tables import AuditRow, DeadLetterRow

pytestmark = pytest.mark.integration
PATH = "/v1/operations/dead-letters/rehearsals"
EVERY = "specimen.every"


@pytest.fixture
async def specimen(service_database: DatabaseFactory, vhost: str) -> AsyncIterator[Specimen]:
    """A service whose letters are rehearsed."""
    async with open_specimen(service_database(SPECIMEN), vhost, LADDER) as specimen:
        yield specimen


Keep = Callable[..., Awaitable[str]]


@pytest.fixture
def keep(deps: OperationsDeps) -> Keep:
    """Let operations hold a dead letter of the specimen's; gives the letter's id."""

    async def hold(says: str = "", consumer: str = EVERY, **headers: Any) -> str:
        message = letter_of(NoteWritten(note_id="a", says=says), **headers)
        message = StoredMessage(
            {"message_id": message.properties["message_id"]}, message.headers, message.body
        )
        async with deps.db.transaction() as tx:
            await dead_letters.take_in(tx.session, consumer, message, deps.clock.now())
        async with deps.db.read() as session:
            key = message.headers[h.CE_ID]
            return str(await session.scalar(select(DeadLetterRow.id).where(DeadLetterRow.message_key == key)))

    return hold


async def test_the_consumers_say_what_a_replay_would_do(
    client: httpx.AsyncClient, deps: OperationsDeps, specimen: Specimen, keep: Keep
) -> None:
    """By group and by id; it is written down who asked, and nothing else is changed anywhere."""
    good, bad, outside = await keep(), await keep("permanent"), await keep(consumer="specimen.outside")
    before = await digest(deps.db)
    async with specimen.working():
        group = await client.post(PATH, json={"consumer": EVERY})
        ids = await client.post(PATH, json={"ids": [outside, good]})
    assert (group.status_code, ids.status_code) == (200, 200)
    assert group.json()["outcomes"] == {"would-apply": 1, "failed": 1}
    would, fails = group.json()["data"]
    assert (would["dead_letter_id"], would["rows"]) == (
        good,
        [{"table": "effect", "inserted": 1, "updated": 0, "deleted": 0}],
    )
    assert (fails["dead_letter_id"], fails["reason"], fails["permanent"]) == (bad, "permanent", True)
    assert [each["dead_letter_id"] for each in ids.json()["data"]] == [good, outside]
    after = await digest(deps.db)
    assert {name for name in before if before[name] != after[name]} == {"audit_entry"}
    assert await specimen.appended() == set()
    for consumer in (EVERY, "specimen.outside"):
        assert await specimen.effects(consumer) == []
        assert await specimen.depth(consumer) == 0
    async with deps.db.read() as session:
        audited = [(row.action, str(row.dead_letter_id)) for row in await session.scalars(select(AuditRow))]
    assert sorted(audited) == sorted(("rehearse", each) for each in (good, bad, outside, good))


async def test_a_letter_that_kills_is_only_rehearsed_by_its_id(
    client: httpx.AsyncClient, specimen: Specimen, keep: Keep
) -> None:
    await keep(DEAD_REASON="crash-loop")
    letter = await keep(DEAD_REASON="crash-loop")
    async with specimen.working():
        group = (await client.post(PATH, json={"consumer": EVERY})).json()
        assert {(each["outcome"], each["reason"]) for each in group["data"]} == {("refused", "crash-loop")}
        assert (await client.post(PATH, json={"ids": [letter]})).json()["outcomes"] == {"would-apply": 1}


async def test_nobody_answers(
    client: httpx.AsyncClient, deps: OperationsDeps, specimen: Specimen, keep: Keep
) -> None:
    await keep()
    answer = await client.post(PATH, json={"consumer": EVERY, "seconds": 1})
    assert (answer.status_code, answer.json()["code"]) == (503, "nobody_rehearses")
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    "wish", [{}, {"consumer": EVERY, "limit": 101}, {"consumer": EVERY, "seconds": 60}, {"ids": ["x"]}]
)
async def test_bad_requests_are_clear(client: httpx.AsyncClient, wish: dict[str, Any]) -> None:
    answer = await client.post(PATH, json=wish)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:threadly:problem:invalid")


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, json={"ids": [str(new_id())]})).status_code == 404


async def test_members_are_kept_out(client: httpx.AsyncClient, identity: TestIdentity) -> None:
    answer = await client.post(PATH, json={"consumer": EVERY}, headers=identity.headers(somebody("Ada")))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.fixture
def command(
    settings: OperationsSettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[tuple[int, str]]]:
    monkeypatch.setenv("THREADLY_OPERATIONS_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("THREADLY_AMQP_URL", settings.amqp_url.get_secret_value())
    monkeypatch.setenv("THREADLY_REDIS_URL", "redis://unused")

    async def rehearse(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, threadly, ["dlq", "rehearse", *words])
        return result.exit_code, result.output

    return rehearse


async def test_the_command_line_sums_up(
    command: Callable[..., Awaitable[tuple[int, str]]], specimen: Specimen, keep: Keep
) -> None:
    for says in ("", "", "permanent"):
        await keep(says)
    outside = await keep(consumer="specimen.outside")
    async with specimen.working():
        code, text = await command("--consumer", EVERY)
        assert code == 1
        assert "3 dead letters: would-apply 2, failed 1" in text
        assert [line.split() for line in text.splitlines() if line.strip().startswith("effect ")] == [
            ["effect", "2", "0", "0"]
        ]
        assert "threadly_chassis.errors.Permanent" in text
        assert "threadly: 1 of 3 dead letters would not end well" in text
        code, text = await command(outside)
        assert (code, text.splitlines()[0]) == (0, "1 dead letter: would-apply 1")


async def test_the_command_line_fails_in_one_line(
    command: Callable[..., Awaitable[tuple[int, str]]],
    specimen: Specimen,
    keep: Keep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (await command())[0] == 1
    code, text = await command(str(new_id()))
    assert (code, len(text.strip().splitlines())) == (1, 1)
    letter = await keep()
    code, text = await command(letter, "--seconds", "1")
    assert (code, text.strip()) == (1, "threadly: No worker has answered. There was no time left for it.")
    monkeypatch.setenv("THREADLY_AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
    code, text = await command(letter)
    assert (code, len(text.strip().splitlines()), "broker does not answer" in text) == (1, 1, True)
