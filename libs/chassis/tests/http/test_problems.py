"""Errors as people and programs see them (R-OBS-02, R-OBS-03, RFC 9457)."""

import httpx
import pytest

from threadly_chassis.db import Database

pytestmark = pytest.mark.integration


async def test_a_named_error_has_a_stable_type_and_its_extras(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes", json={"words": "taken"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "urn:threadly:problem:note_taken"
    assert body["code"] == "note_taken"
    assert body["detail"] == "Ask again later."
    assert body["retry_after"] == 5
    assert body["request_id"] == answer.headers["x-request-id"]


async def test_an_unforeseen_error_is_generic_and_leaks_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes", json={"words": "broken"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "12345" not in answer.text
    assert answer.headers["x-request-id"]


async def test_an_unknown_field_is_refused_and_named(client: httpx.AsyncClient) -> None:
    """E014: a field the client invented is refused, not ignored."""
    answer = await client.post("/v1/notes", json={"words": "a", "price": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "price", "message": "Extra inputs are not permitted"}]


async def test_rejected_input_is_not_echoed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/notes/number", params={"n": "<script>"})
    assert answer.status_code == 422
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"words": "\xff"}',
        b'"text"',
        b'{"words": "\\ud800"}',
        *(b'{"words": ' * levels + b"1" + b"}" * levels for levels in (450, 900, 100_000)),
    ],
    ids=[
        "unfinished",
        "not UTF-8",
        "not an object",
        "half a character",
        "450 deep",
        "900 deep",
        "bottomless",
    ],
)
async def test_a_broken_body_is_the_clients_fault(client: httpx.AsyncClient, body: bytes) -> None:
    """E058: a lone surrogate, a broken encoding or endless nesting is 4xx, never 500."""
    answer = await client.post("/v1/notes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_unavailable_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/notes/away")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/nowhere"), await client.delete("/v1/notes")):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


async def test_a_valid_request_id_is_kept_and_a_hostile_one_replaced(client: httpx.AsyncClient) -> None:
    kept = await client.get("/v1/notes/away", headers={"X-Request-Id": "abc-123"})
    replaced = await client.get("/v1/notes/away", headers={"X-Request-Id": "a b\tc"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert replaced.headers["x-request-id"] not in {"", "a b\tc"}


async def test_a_database_that_is_away_is_503_and_comes_back(client: httpx.AsyncClient) -> None:
    """R-SYS-10: nothing is wrong with the request; the client is told when to come back."""
    app = client._transport.app  # type: ignore[attr-defined]
    there, away = app.state.database, Database.at("postgresql://nobody@127.0.0.1:1/none")
    app.state.database = away
    answer = await client.post("/v1/notes", json={"words": "a"})
    await away.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    app.state.database = there
    assert (await client.post("/v1/notes", json={"words": "a"})).status_code == 201
