"""One request, one transaction, committed before the answer leaves (R-SYS-03)."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from threadly_chassis.http import Principal
from threadly_chassis.http.identity import IdentityVerifier
from threadly_chassis.ids import new_id
from threadly_chassis.observability.metrics import ERRORS

pytestmark = pytest.mark.integration
Count = Callable[[str], Awaitable[int]]


async def test_the_row_and_its_event_commit_together(client: httpx.AsyncClient, count: Count) -> None:
    answer = await client.post("/v1/notes", json={"words": "a"})
    assert answer.status_code == 201
    assert (await count("note"), await count("outbox_event"), await count("outbox_pending")) == (1, 1, 1)


@pytest.mark.parametrize("words", ["taken", "broken"])
async def test_an_error_leaves_neither(client: httpx.AsyncClient, count: Count, words: str) -> None:
    """F01: nothing of a rolled-back request is ever sent."""
    await client.post("/v1/notes", json={"words": words})
    assert (await count("note"), await count("outbox_event")) == (0, 0)


async def test_a_commit_that_fails_is_not_answered_with_success(
    client: httpx.AsyncClient, count: Count
) -> None:
    await client.post("/v1/notes", json={"words": "only one"})
    answer = await client.post("/v1/notes", json={"words": "only one"})
    assert answer.status_code == 500
    assert await count("note") == 1


async def test_what_waits_for_the_commit_runs_before_the_answer(
    client: httpx.AsyncClient, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """In order, on what is committed; an error in it costs neither the answer nor the rest."""
    answer = await client.post("/v1/notes/afterwards", json={"words": "a"})
    assert answer.status_code == 201
    assert app.state.seen == [1, "failing", 1]
    assert "the cache is on fire" in caplog.text
    assert "after_commit" in caplog.text


@pytest.mark.parametrize("words", ["taken", "broken", "kept"])
async def test_nothing_waits_for_a_rollback(client: httpx.AsyncClient, app: FastAPI, words: str) -> None:
    """Neither when the handler fails nor when the commit does."""
    await client.post("/v1/notes", json={"words": "kept"})
    answer = await client.post("/v1/notes/afterwards", json={"words": words})
    assert answer.status_code >= 400
    assert app.state.seen == []


async def test_a_replay_runs_nothing_after_its_commit(client: httpx.AsyncClient, app: FastAPI) -> None:
    key = {"Idempotency-Key": "k1"}
    for _ in range(2):
        answer = await client.post("/v1/notes/afterwards", json={"words": "a"}, headers=key)
    assert answer.headers["idempotent-replayed"] == "true"
    assert app.state.seen == [1, "failing", 1]


async def test_a_deadlock_asks_its_victim_to_come_again(client: httpx.AsyncClient) -> None:
    """Two requests lock two rows in opposite orders: PostgreSQL undoes one, which is nobody's error."""
    for words in ("a", "b"):
        await client.post("/v1/notes", json={"words": words})
    counted = ERRORS.labels("contention", "DeadlockDetected")._value
    before = counted.get()
    answers = await asyncio.gather(
        client.post("/v1/notes/a/before/b"),
        client.post("/v1/notes/b/before/a"),
    )
    winner, victim = sorted(answers, key=lambda answer: answer.status_code)
    assert winner.status_code == 204
    assert (victim.status_code, victim.json()["code"]) == (503, "busy_try_again")
    assert victim.headers["retry-after"] == "1"
    assert counted.get() == before + 1


async def test_the_same_key_has_one_effect_and_one_answer(client: httpx.AsyncClient, count: Count) -> None:
    """E004: a double click is one request."""
    key = {"Idempotency-Key": "k1"}
    first = await client.post("/v1/notes", json={"words": "a"}, headers=key)
    again = await client.post("/v1/notes", json={"words": "a"}, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert await count("note") == 1


async def test_ten_at_once_with_one_key_have_one_effect(client: httpx.AsyncClient, count: Count) -> None:
    key = {"Idempotency-Key": "k1"}
    requests = (client.post("/v1/notes", json={"words": "a"}, headers=key) for _ in range(10))
    answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await count("note"), await count("outbox_event")) == (1, 1)


async def test_the_same_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    """E005."""
    key = {"Idempotency-Key": "k1"}
    await client.post("/v1/notes", json={"words": "a"}, headers=key)
    answer = await client.post("/v1/notes", json={"words": "b"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


async def test_a_failed_first_try_leaves_the_key_free(client: httpx.AsyncClient, count: Count) -> None:
    key = {"Idempotency-Key": "k1"}
    assert (await client.post("/v1/notes", json={"words": "taken"}, headers=key)).status_code == 409
    assert (await client.post("/v1/notes", json={"words": "free"}, headers=key)).status_code == 201
    assert await count("note") == 1


async def test_a_key_belongs_to_its_owner(
    client: httpx.AsyncClient, count: Count, token: Callable[..., str]
) -> None:
    other = Principal(new_id(), frozenset({"member"}), "Bob")
    key = {"Idempotency-Key": "k1"}
    await client.post("/v1/notes", json={"words": "a"}, headers=key)
    answer = await client.post(
        "/v1/notes", json={"words": "b"}, headers=key | {"Authorization": f"Bearer {token(other)}"}
    )
    assert answer.status_code == 201
    assert await count("note") == 2


async def test_a_token_is_verified_once_a_request(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key's owner and the route's caller are one and the same."""
    verified, verify = [], IdentityVerifier.verify

    def noting(self: IdentityVerifier, token: str) -> Principal:
        verified.append(token)
        return verify(self, token)

    monkeypatch.setattr(IdentityVerifier, "verify", noting)
    for words in ("a", "b"):
        key = {"Idempotency-Key": words}
        assert (await client.post("/v1/notes", json={"words": words}, headers=key)).status_code == 201
    assert len(verified) == 2


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
async def test_an_unusable_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/notes", json={"words": "a"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "key_malformed")


async def test_a_read_session_refuses_to_write(client: httpx.AsyncClient) -> None:
    app = client._transport.app  # type: ignore[attr-defined]
    async with app.state.database.read() as session:
        with pytest.raises(InternalError, match="read-only"):
            await session.execute(text("delete from note"))


async def test_readiness_follows_the_database(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    database = client._transport.app.state.database  # type: ignore[attr-defined]

    async def gone() -> None:
        raise ConnectionError

    database.ping = gone
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["faults"]) == (503, {"database": "ConnectionError"})
    assert (await client.get("/health/live")).status_code == 200
