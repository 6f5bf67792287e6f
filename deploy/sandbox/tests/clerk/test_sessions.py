"""Sessions and their tokens, checked by Clerk's own verifier."""

from pathlib import Path

import httpx
import jwt
import pytest
from clerk_backend_api import Clerk, models
from clerk_backend_api.security import TokenVerificationError, VerifyTokenOptions, verify_token_async
from starlette.applications import Starlette

from threadly_sandbox.clerk.app import create_app
from threadly_sandbox.clerk.keys import SigningKeys
from threadly_sandbox.documents import Documents
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.testing import provided

# Clerk's client reads the deprecated fields of its own models.
pytestmark = pytest.mark.filterwarnings(r"ignore:warning. \*\* DEPRECATED \*\*:DeprecationWarning")


@pytest.fixture
async def session(clerk: Clerk) -> models.Session:
    user = await clerk.users.create_async(email_address=["ada@example.com"], first_name="Ada")
    return await clerk.sessions.create_async(request={"user_id": user.id})


async def token_of(clerk: Clerk, session: models.Session, seconds: int | None = None) -> str:
    answer = await clerk.sessions.create_token_async(session_id=session.id, expires_in_seconds=seconds)
    assert answer.jwt is not None
    return answer.jwt


async def test_clerks_verifier_accepts_the_token(clerk: Clerk, url: str, session: models.Session) -> None:
    token = await token_of(clerk, session)

    claims = await verify_token_async(
        token,
        VerifyTokenOptions(
            secret_key="sk_test_sandbox", api_url=url, authorized_parties=["http://shop.example"]
        ),
    )

    assert (claims["sub"], claims["sid"], claims["sts"], claims["v"]) == (
        session.user_id,
        session.id,
        "active",
        2,
    )
    assert claims["iss"] == "http://clerk.example"
    assert claims["exp"] - claims["iat"] == 60
    assert claims["iat"] - claims["nbf"] == 10
    with pytest.raises(TokenVerificationError):
        await verify_token_async(
            token,
            VerifyTokenOptions(
                secret_key="sk_test_sandbox", api_url=url, authorized_parties=["http://evil.example"]
            ),
        )


async def test_the_life_of_a_token_can_be_chosen(clerk: Clerk, session: models.Session) -> None:
    claims = jwt.decode(await token_of(clerk, session, 600), options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 600


async def test_a_revoked_session_gives_no_more_tokens(clerk: Clerk, session: models.Session) -> None:
    revoked = await clerk.sessions.revoke_async(session_id=session.id)
    assert revoked.status == "revoked"

    with pytest.raises(models.ClerkErrors) as refused:
        await token_of(clerk, session)
    assert refused.value.data.errors[0].code == "session_not_active"
    active = await clerk.sessions.list_async(user_id=session.user_id, status=models.QueryParamStatus.ACTIVE)
    assert active == []


async def test_a_ban_ends_sessions_and_forbids_new_ones(clerk: Clerk, session: models.Session) -> None:
    banned = await clerk.users.ban_async(user_id=session.user_id)
    assert banned.banned

    assert (await clerk.sessions.get_async(session_id=session.id)).status == "revoked"
    with pytest.raises(models.ClerkErrors):
        await clerk.sessions.create_async(request={"user_id": session.user_id})
    await clerk.users.unban_async(user_id=session.user_id)
    assert (await clerk.sessions.create_async(request={"user_id": session.user_id})).status == "active"


async def test_both_key_sets_are_the_same_and_only_one_needs_the_key(clerk: Clerk, url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        public = (await http.get("/.well-known/jwks.json")).json()
        assert (await http.get("/v1/jwks")).status_code == 401
    mine = await clerk.jwks.get_jwks_async()

    assert mine.keys is not None
    assert [each["kid"] for each in public["keys"]] == [getattr(each, "kid", None) for each in mine.keys]
    assert {"kty", "use", "alg", "n", "e", "kid"} == set(public["keys"][0])


async def test_an_old_token_stays_good_while_its_key_is_in_the_set(
    app: Starlette, clerk: Clerk, url: str, session: models.Session
) -> None:
    keys: SigningKeys = app.state.keys
    old = await token_of(clerk, session)
    keys.rotate()
    new = await token_of(clerk, session)

    def verified(token: str) -> str:
        found = jwt.PyJWKSet.from_dict(keys.key_set())
        key = found[jwt.get_unverified_header(token)["kid"]]
        return str(jwt.decode(token, key, algorithms=["RS256"])["sid"])

    assert verified(old) == verified(new) == session.id
    keys.retire_old()
    assert verified(new) == session.id
    with pytest.raises(KeyError):
        verified(old)


async def test_keys_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "clerk.sqlite"
    first = Documents(path)
    token = SigningKeys(first).sign({"sub": "ada"})
    first.close()

    second = Documents(path)
    key_set = jwt.PyJWKSet.from_dict(SigningKeys(second).key_set())
    second.close()

    assert jwt.decode(token, key_set.keys[0], algorithms=["RS256"]) == {"sub": "ada"}


async def test_accounts_survive_a_restart(tmp_path: Path) -> None:
    settings = SandboxSettings(data_dir=tmp_path, public_url="http://127.0.0.1:9")
    for expected in (0, 1):
        async with provided(create_app, settings) as url:
            with Clerk(bearer_auth="sk_test_sandbox", server_url=f"{url}/v1") as clerk:
                async with clerk:
                    assert len(await clerk.users.list_async(request={})) == expected
                    if not expected:
                        await clerk.users.create_async(email_address=["ada@example.com"])
