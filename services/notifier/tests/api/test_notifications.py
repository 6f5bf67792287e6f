"""A person's notices over HTTP."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_contracts.messaging import MessageSent
from threadly_notifier.use_cases.tell_people import tell_people

pytestmark = pytest.mark.integration
Handle = Callable[..., Awaitable[None]]


async def test_notices_are_listed_paged_and_marked(
    client: httpx.AsyncClient, identity: TestIdentity, handle: Handle, said: Callable[..., MessageSent]
) -> None:
    reader = somebody()
    headers = identity.headers(reader)
    for number in range(5):
        await handle(tell_people, said(reader.user_id, f"message {number}"))
    first = (await client.get("/v1/notifications", params={"limit": 3}, headers=headers)).json()
    rest = (
        await client.get("/v1/notifications", params={"cursor": first["next_cursor"]}, headers=headers)
    ).json()
    assert [n["message"] for n in first["data"] + rest["data"]] == [f"message {n}" for n in (4, 3, 2, 1, 0)]
    assert (first["unread_count"], rest["next_cursor"]) == (5, None)
    one = first["data"][0]["id"]
    assert (await client.post(f"/v1/notifications/{one}/read", headers=headers)).status_code == 204
    assert (await client.get("/v1/notifications", headers=headers)).json()["unread_count"] == 4
    assert (await client.post("/v1/notifications/read-all", headers=headers)).status_code == 204
    assert (await client.get("/v1/notifications", headers=headers)).json()["unread_count"] == 0


async def test_another_persons_notice_is_not_there(
    client: httpx.AsyncClient, identity: TestIdentity, handle: Handle, said: Callable[..., MessageSent]
) -> None:
    """E067."""
    reader, other = somebody(), somebody()
    await handle(tell_people, said(reader.user_id))
    page = (await client.get("/v1/notifications", headers=identity.headers(reader))).json()
    notice = page["data"][0]["id"]
    answer = await client.post(f"/v1/notifications/{notice}/read", headers=identity.headers(other))
    assert answer.status_code == 404
    assert (await client.get("/v1/notifications", headers=identity.headers(other))).json()["data"] == []


async def test_without_identity_there_is_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notifications")).status_code == 401
    forged = {"cursor": "bm90IG91cnM"}
    assert (await client.get("/v1/notifications", params=forged)).status_code == 401
