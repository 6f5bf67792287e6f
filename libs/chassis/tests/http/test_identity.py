"""Who is asking (R-AUTH-11): only what auth signed, and only while it is valid."""

import base64
from collections.abc import Callable
from datetime import timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from threadly_chassis.http import Principal

pytestmark = pytest.mark.integration


async def test_a_valid_token_names_the_database_user(client: httpx.AsyncClient, principal: Principal) -> None:
    answer = await client.get("/v1/notes/me")
    assert answer.json() == {"id": str(principal.user_id), "name": "Ada"}


async def test_without_a_token_the_answer_is_401(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    answer = await client.get("/v1/notes/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("credential", ["Bearer nonsense", "Basic YTpi", "Bearer a.b.c"])
async def test_anything_else_is_401(client: httpx.AsyncClient, credential: str) -> None:
    answer = await client.get("/v1/notes/me", headers={"Authorization": credential})
    assert answer.status_code == 401


async def test_an_expired_token_is_401(
    client: httpx.AsyncClient, principal: Principal, token: Callable[..., str]
) -> None:
    old = token(principal, age=timedelta(seconds=120))
    answer = await client.get("/v1/notes/me", headers={"Authorization": f"Bearer {old}"})
    assert answer.status_code == 401


async def test_a_token_of_another_key_is_401(
    client: httpx.AsyncClient, principal: Principal, token: Callable[..., str]
) -> None:
    raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    forged = token(principal, private_key=base64.urlsafe_b64encode(raw).decode())
    answer = await client.get("/v1/notes/me", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


async def test_an_unsigned_token_is_401(client: httpx.AsyncClient, principal: Principal) -> None:
    unsigned = jwt.encode({"sub": str(principal.user_id)}, "", "none")
    answer = await client.get("/v1/notes/me", headers={"Authorization": f"Bearer {unsigned}"})
    assert answer.status_code == 401


async def test_operators_routes_are_403_for_members(
    client: httpx.AsyncClient, principal: Principal, token: Callable[..., str]
) -> None:
    assert (await client.get("/v1/notes/all")).status_code == 403
    operator = Principal(principal.user_id, frozenset({"member", "operator"}), "Ada")
    answer = await client.get("/v1/notes/all", headers={"Authorization": f"Bearer {token(operator)}"})
    assert answer.status_code == 200
