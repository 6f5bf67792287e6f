"""The exchange of a Clerk session for an identity token (R-AUTH, architecture §3)."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from threadly_auth.domain.messages import ClerkUserChanged, ClerkUserDeleted
from threadly_auth.domain.profile import parse_profile
from threadly_auth.storage import users
from threadly_auth.use_cases.exchange import exchange
from threadly_auth.use_cases.follow_clerk import apply_change, apply_deletion
from threadly_chassis.clock import FrozenClock
from threadly_chassis.http.identity import IdentityVerifier
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

pytestmark = pytest.mark.integration


def _without_signature(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


async def test_a_request_without_a_credential_gets_an_empty_identity(auth: Any) -> None:
    answer = await auth.http.get("/internal/exchange")

    assert answer.status_code == 204
    assert answer.headers["X-Identity-Token"] == ""


async def test_the_first_sign_in_registers_the_user_as_clerk_describes_them(auth: Any, clerk: Any) -> None:
    """R-AUTH-05, R-AUTH-06, R-AUTH-11: the token names our id, the row holds Clerk's data, one event."""
    clerk_id = await clerk.add(email_address=["ada@example.com"], first_name="Ada", last_name="Byron")

    token = await auth.identity_token(await clerk.session_token(clerk_id))

    (row,) = await auth.rows()
    principal = auth.deps.identity.verify(token)
    assert principal.user_id == row["id"]
    assert principal.name == "Ada Byron"
    assert principal.roles == {"member"}
    assert principal.session_id.startswith("sess_")
    assert (row["clerk_id"], row["email"], row["first_name"], row["last_name"], row["version"]) == (
        clerk_id,
        "ada@example.com",
        "Ada",
        "Byron",
        1,
    )
    ((fact, version, payload),) = await auth.events()
    assert (fact, version, payload["user_id"]) == ("user_registered", 1, str(row["id"]))


async def test_missing_data_is_stored_as_nothing(auth: Any, clerk: Any) -> None:
    """R-AUTH-06: no name and no picture are null, not empty."""
    clerk_id = await clerk.add(first_name=None, last_name=None)

    await auth.identity_token(await clerk.session_token(clerk_id))

    (row,) = await auth.rows()
    assert (row["first_name"], row["last_name"], row["image_url"]) == (None, None, None)


async def test_the_session_cookie_is_a_credential_too(auth: Any, clerk: Any) -> None:
    token = await clerk.session_token(await clerk.add())

    answer = await auth.http.get("/internal/exchange", headers={"Cookie": f"__session={token}"})

    assert auth.deps.identity.verify(answer.headers["X-Identity-Token"]).name == "Ada Byron"


async def test_ten_first_requests_and_a_webhook_at_once_make_one_user(auth: Any, clerk: Any) -> None:
    """E104: one row, one UserRegistered, one identity for all."""
    clerk_id = await clerk.add()
    tokens = [await clerk.session_token(clerk_id) for _ in range(10)]
    news = ClerkUserChanged.of(parse_profile(await clerk.user(clerk_id)))

    answers = await asyncio.gather(
        auth.handle(apply_change, news), *(auth.identity_token(token) for token in tokens)
    )

    identities = {auth.deps.identity.verify(answer).user_id for answer in answers[1:]}
    (row,) = await auth.rows()
    assert identities == {row["id"]}
    assert [fact for fact, _, _ in await auth.events()] == ["user_registered"]


async def test_a_return_changes_nothing_and_announces_nothing(auth: Any, clerk: Any) -> None:
    """R-AUTH-05: present → returned."""
    clerk_id = await clerk.add()
    await auth.identity_token(await clerk.session_token(clerk_id))
    before = await auth.rows()

    await auth.identity_token(await clerk.session_token(clerk_id))

    assert await auth.rows() == before
    assert len(await auth.events()) == 1


async def test_a_visible_change_at_clerk_is_announced_an_invisible_one_is_not(auth: Any, clerk: Any) -> None:
    """R-AUTH-07: UserUpdated only when others could see the difference."""
    clerk_id = await clerk.add()
    await auth.identity_token(await clerk.session_token(clerk_id))

    await clerk.change(clerk_id, public_metadata={"role": "operator"})
    auth.deps.directory._recent.drop(clerk_id)
    operator = auth.deps.identity.verify(await auth.identity_token(await clerk.session_token(clerk_id)))
    assert operator.roles == {"member", "operator"}
    assert len(await auth.events()) == 1

    await clerk.change(clerk_id, first_name="Augusta")
    auth.deps.directory._recent.drop(clerk_id)
    await auth.identity_token(await clerk.session_token(clerk_id))
    fact, version, payload = (await auth.events())[1]
    assert (fact, version, payload["first_name"]) == ("user_updated", 2, "Augusta")


async def test_activity_is_noted_at_most_once_a_minute(auth: Any, clerk: Any) -> None:
    """R-AUTH-07, architecture §3: lastActiveAt costs at most one write a minute."""
    clock = FrozenClock(datetime(2026, 5, 1, 12, tzinfo=UTC))
    auth.change(clock=clock)
    clerk_id = await clerk.add()
    seen = []
    for seconds in (0, 59, 1, 59, 2):
        clock.move(timedelta(seconds=seconds))
        await auth.identity_token(await clerk.session_token(clerk_id))
        seen.append((await auth.rows())[0]["last_active_at"])

    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert [int((moment - start).total_seconds()) for moment in seen] == [0, 0, 60, 60, 121]


async def test_of_two_processes_that_note_activity_at_once_one_writes(auth: Any, clerk: Any) -> None:
    """The statement looks again: both may have read the old time before either wrote."""
    clock = FrozenClock(datetime(2026, 5, 1, 12, tzinfo=UTC))
    auth.change(clock=clock)
    await auth.identity_token(await clerk.session_token(await clerk.add()))
    (row,) = await auth.rows()
    for seconds in (61, 62):
        async with auth.deps.db.transaction() as tx:
            await users.touch(tx.session, row["id"], clock.now() + timedelta(seconds=seconds))

    (row,) = await auth.rows()
    assert row["last_active_at"] == clock.now() + timedelta(seconds=61)


async def test_every_flaw_of_a_token_is_refused_with_the_way_to_sign_in(auth: Any, clerk: Any) -> None:
    """R-AUTH-02, R-AUTH-04: signature, algorithm, required claims, times, issuer, party, pending sessions."""
    now = int(datetime.now(UTC).timestamp())
    # Somebody whom Clerk knows: nothing but the flaw may be the reason.
    forged = partial(clerk.forged, sub=await clerk.add())
    good = forged()
    header, _, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    other_session = (
        base64.urlsafe_b64encode(json.dumps(claims | {"sid": "sess_2"}).encode()).decode().rstrip("=")
    )
    unknown_key = jwt.encode(claims, "x" * 64, "HS256", headers={"kid": "ins_unknown"})
    flawed = {
        "expired": forged(exp=now - 10),
        "not yet": forged(nbf=now + 60),
        "issued later": forged(iat=now + 60),
        "other issuer": forged(iss="https://evil.example"),
        "other party": forged(azp="https://evil.example"),
        "no party": forged(azp=None),
        "pending": forged(sts="pending"),
        **{f"without {claim}": forged(**{claim: None}) for claim in ("exp", "iat", "nbf", "sub", "sid")},
        "empty session": forged(sid=""),
        "tampered": f"{header}.{other_session}.{signature}",
        "no algorithm": _without_signature(claims),
        "shared secret": jwt.encode(
            claims, "x" * 64, "HS256", headers={"kid": jwt.get_unverified_header(good)["kid"]}
        ),
        "unknown key": unknown_key,
        "no token at all": "garbage",
        "enormous": good + "A" * 9000,
    }
    for flaw, token in flawed.items():
        answer = await auth.exchange(token)
        assert answer.status_code == 401, flaw
        problem = answer.json()
        assert problem["code"] == "unauthenticated", flaw
        assert problem["sign_in_url"] == "http://127.0.0.1:7301/sign-in", flaw
        assert "X-Identity-Token" not in answer.headers, flaw
    assert await auth.rows() == []
    assert (await auth.exchange(good)).status_code == 204


async def test_a_clock_off_by_three_seconds_is_forgiven(auth: Any, clerk: Any) -> None:
    clerk_id = await clerk.add()
    now = int(datetime.now(UTC).timestamp())

    answer = await auth.exchange(clerk.forged(sub=clerk_id, exp=now - 2))

    # Past its end already, so it is good for this one answer and is not remembered.
    assert answer.status_code == 204


async def test_another_scheme_is_refused(auth: Any) -> None:
    answer = await auth.http.get("/internal/exchange", headers={"Authorization": "Basic YTpi"})

    assert answer.status_code == 401
    assert answer.json()["sign_in_url"] == "http://127.0.0.1:7301/sign-in"


async def test_without_clerk_those_we_know_get_in_and_new_ones_are_told_to_wait(
    auth: Any, clerk: Any
) -> None:
    """Providers §1.4: an outage of the Backend API stops first sign-ins only."""
    known, new = await clerk.add(), await clerk.add()
    await auth.identity_token(await clerk.session_token(known))
    token_of_known, token_of_new = await clerk.session_token(known), await clerk.session_token(new)
    auth.deps.directory._recent.drop(known)
    auth.deps.directory._client = _Unreachable()

    assert (await auth.exchange(token_of_known)).status_code == 204
    refused = await auth.exchange(token_of_new)

    assert refused.status_code == 503
    assert refused.json()["code"] == "sign_in_unavailable"
    assert int(refused.headers["Retry-After"]) >= 1
    # The second question was spared a wait: the first failure opened the cool-down.
    assert auth.deps.directory._client.asked == 1


class _Unreachable:
    def __init__(self) -> None:
        self.asked = 0

    async def get(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise httpx.ConnectError("no route")


async def test_the_suspended_and_the_deleted_get_nothing(auth: Any, clerk: Any) -> None:
    """Architecture §3."""
    banned, gone = await clerk.add(), await clerk.add()
    tokens = [await clerk.session_token(banned), await clerk.session_token(gone)]
    for token in tokens:
        await auth.identity_token(token)
    await clerk.ban(banned)
    await auth.handle(apply_change, ClerkUserChanged.of(parse_profile(await clerk.user(banned))))
    await auth.handle(apply_deletion, ClerkUserDeleted(clerk_id=gone, deleted_at=datetime.now(UTC)))
    auth.deps.recent._entries.clear()

    assert [(await auth.exchange(token)).status_code for token in tokens] == [403, 401]


async def test_the_same_credential_is_examined_once_in_some_seconds(auth: Any, clerk: Any) -> None:
    token = await clerk.session_token(await clerk.add())
    first = await exchange(token, deps=auth.deps)

    again = await exchange(token, deps=auth.deps)
    other = await exchange(await clerk.session_token(first.user.clerk_id), deps=auth.deps)

    assert again is first
    assert other is not first


async def test_a_json_exchange_for_callers_without_the_gateway(auth: Any, clerk: Any) -> None:
    """R-RT-01: the page gets a JWT, and the database's user."""
    session_token = await clerk.session_token(await clerk.add(email_address=["ada@example.com"]))

    answer = await auth.http.post("/v1/auth/token", headers={"Authorization": f"Bearer {session_token}"})

    body = answer.json()
    (row,) = await auth.rows()
    assert answer.status_code == 200
    assert auth.deps.identity.verify(body["token"]).user_id == row["id"]
    assert (body["user"]["id"], body["user"]["email"]) == (str(row["id"]), "ada@example.com")
    left = datetime.fromisoformat(body["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=55) < left <= timedelta(seconds=120)


async def test_an_identity_token_is_accepted_but_never_renewed(auth: Any, clerk: Any) -> None:
    """Behind the gateway the Clerk token has been exchanged already; exchanging must not extend a session."""
    identity = await auth.identity_token(await clerk.session_token(await clerk.add()))
    headers = {"Authorization": f"Bearer {identity}"}

    answer = await auth.http.post("/v1/auth/token", headers=headers)

    assert answer.json()["token"] == identity
    assert await auth.identity_token(identity) == identity


async def test_an_identity_token_of_another_issuer_is_refused(auth: Any) -> None:
    token = jwt.encode({"sub": "x", "iss": "threadly"}, Ed25519PrivateKey.generate(), "EdDSA")

    assert (await auth.exchange(token)).status_code == 401


async def test_a_token_without_any_credential_is_refused(auth: Any) -> None:
    """R-AUTH-02."""
    answer = await auth.http.post("/v1/auth/token")

    assert answer.status_code == 401
    assert answer.json()["sign_in_url"]


async def test_creation_and_sign_in_are_counted(auth: Any, clerk: Any) -> None:
    """R-AUTH-09, R-AUTH-10."""
    counters = [DOMAIN_EVENTS.labels("users_created"), DOMAIN_EVENTS.labels("successful_auth")]
    before = [counter._value.get() for counter in counters]
    clerk_id = await clerk.add()
    for _ in range(2):
        await auth.identity_token(await clerk.session_token(clerk_id))

    after = [counter._value.get() for counter in counters]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2]


async def test_the_own_profile_and_the_public_one(auth: Any, clerk: Any) -> None:
    """R-AUTH-11: what others see holds no address."""
    identity = await auth.identity_token(await clerk.session_token(await clerk.add()))
    (row,) = await auth.rows()

    own = await auth.http.get("/v1/users/me", headers={"Authorization": f"Bearer {identity}"})
    public = await auth.http.get(f"/v1/users/{row['id']}")

    assert own.json()["email"] == row["email"]
    assert public.json() == {
        "id": str(row["id"]),
        "name": "Ada Byron",
        "image_url": row["image_url"],
        "member_since": own.json()["created_at"],
    }
    assert (await auth.http.get("/v1/users/me")).status_code == 401
    unknown = await auth.http.get(f"/v1/users/{UUID(int=7)}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")


async def test_the_identity_lives_as_long_as_configured(auth: Any, clerk: Any) -> None:
    token = await auth.identity_token(await clerk.session_token(await clerk.add()))
    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == auth.deps.settings.identity_seconds
    assert isinstance(auth.deps.identity, IdentityVerifier)
