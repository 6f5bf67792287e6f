"""Clerk's webhooks and the poll that covers for them (R-SYNC-01 to R-SYNC-03, R-SYNC-05)."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from svix.webhooks import Webhook

from threadly_auth.domain.messages import ClerkUserChanged, ClerkUserDeleted
from threadly_auth.domain.profile import parse_profile
from threadly_auth.use_cases.follow_clerk import apply_change, apply_deletion
from threadly_auth.use_cases.poll_clerk import poll_clerk
from threadly_chassis.clock import FrozenClock

pytestmark = pytest.mark.integration

SECRET = "whsec_c2FuZGJveC1jbGVyay13ZWJob29r"


def _signed(body: bytes, *, message_id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    """Headers as Svix' own library makes them."""
    moment = at or datetime.now(UTC)
    return {
        "svix-id": message_id,
        "svix-timestamp": str(int(moment.timestamp())),
        "svix-signature": Webhook(SECRET).sign(message_id, moment, body.decode()),
    }


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"object": "event", "type": kind, "data": data}).encode()


def _changed(clerk_id: str = "user_1", *, at: int = 1_000, **fields: Any) -> ClerkUserChanged:
    user = {
        "id": clerk_id,
        "email_addresses": [{"email_address": "ada@example.com"}],
        "first_name": "Ada",
        "created_at": 1_000,
        "updated_at": at,
    }
    return ClerkUserChanged.of(parse_profile(user | fields))


async def test_a_signed_event_is_stored_once_and_becomes_a_message(auth: Any, clerk: Any) -> None:
    """R-SYNC-01, R-SYNC-02; a repetition of the same `svix-id` has no second effect."""
    clerk_id = await clerk.add()
    body = _event("user.created", await clerk.user(clerk_id))

    for _ in range(2):
        answer = await auth.http.post("/v1/webhooks/clerk", content=body, headers=_signed(body))
        assert answer.status_code == 204

    stored = await auth.query("select service, event_id, event_type from sync_event")
    assert stored == [{"service": "clerk", "event_id": "msg_1", "event_type": "user.created"}]
    ((fact, _, payload),) = await auth.events(kind="auth.clerk_%")
    assert (fact, payload["clerk_id"]) == ("clerk_user_changed", clerk_id)


async def test_other_kinds_are_recorded_and_nothing_more(auth: Any) -> None:
    body = _event("session.created", {"id": "sess_1"})

    answer = await auth.http.post("/v1/webhooks/clerk", content=body, headers=_signed(body))

    assert answer.status_code == 204
    assert len(await auth.query("select 1 from sync_event")) == 1
    assert await auth.events(kind="%") == []


async def test_whatever_is_not_signed_by_clerk_is_refused_with_400(auth: Any) -> None:
    """R-SYNC-01: every malformed header is a 400, never a 500 that would be retried."""
    body = _event("user.deleted", {"id": "user_1", "deleted": True})
    good = _signed(body)
    old = datetime.now(UTC) - timedelta(minutes=6)
    ahead = datetime.now(UTC) + timedelta(minutes=6)
    flawed: dict[str, dict[str, str]] = {
        "no headers": {},
        "no id": good | {"svix-id": ""},
        "other id": good | {"svix-id": "msg_2"},
        "odd id": good | {"svix-id": "\xe9\xff"},
        "no timestamp": good | {"svix-timestamp": ""},
        "text as timestamp": good | {"svix-timestamp": "yesterday"},
        "endless timestamp": good | {"svix-timestamp": "9" * 400},
        "negative timestamp": good | {"svix-timestamp": "-1"},
        "other digits": good | {"svix-timestamp": "\xb9\xb2\xb3"},
        "too old": _signed(body, at=old),
        "too early": _signed(body, at=ahead),
        "no signature": good | {"svix-signature": ""},
        "another version": good | {"svix-signature": good["svix-signature"].replace("v1,", "v2,")},
        "no version": good | {"svix-signature": good["svix-signature"][3:]},
        "garbage": good | {"svix-signature": "v1,\xff\xfe v1, ,,"},
    }
    for flaw, headers in flawed.items():
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await auth.http.post("/v1/webhooks/clerk", content=body, headers=raw)
        assert answer.status_code == 400, flaw
    tampered = body.replace(b"user_1", b"user_2")
    assert (await auth.http.post("/v1/webhooks/clerk", content=tampered, headers=good)).status_code == 400
    assert await auth.query("select 1 from sync_event") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"type": 1, "data": {}}',
        b'{"type": "user.created", "data": []}',
        b'{"type": "user.created", "data": {"id": "user_1"}}',
        b'{"type": "user.updated", "data": {"id": "user_1", "created_at": 1, "updated_at": "soon"}}',
        b'{"type": "user.deleted", "data": {"deleted": true}}',
    ],
)
async def test_a_signed_body_that_makes_no_sense_is_a_400(auth: Any, body: bytes) -> None:
    moment = datetime.now(UTC)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"msg_1.{int(moment.timestamp())}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(moment.timestamp())),
        "svix-signature": f"v1,{signature}",
    }

    answer = await auth.http.post("/v1/webhooks/clerk", content=body, headers=headers)

    assert answer.status_code == 400
    assert await auth.query("select 1 from sync_event") == []


async def test_one_of_several_signatures_is_enough(auth: Any) -> None:
    """Svix signs with the old and the new secret while one is being rolled."""
    body = _event("session.ended", {"id": "sess_1"})
    headers = _signed(body)
    headers["svix-signature"] = f"v1,AAAA v1a,BBBB {headers['svix-signature']}"

    assert (await auth.http.post("/v1/webhooks/clerk", content=body, headers=headers)).status_code == 204


async def test_the_same_news_twice_changes_nothing(auth: Any) -> None:
    for _ in range(2):
        await auth.handle(apply_change, _changed())

    assert len(await auth.rows()) == 1
    assert [fact for fact, _, _ in await auth.events()] == ["user_registered"]


async def test_older_news_after_newer_is_ignored(auth: Any) -> None:
    """E106: by Clerk's own time, also when what lies between could not be seen."""
    await auth.handle(apply_change, _changed(at=1_000))
    await auth.handle(apply_change, _changed(at=7_000))
    await auth.handle(apply_change, _changed(at=6_000, first_name="Between"))

    (row,) = await auth.rows()
    assert (row["first_name"], row["version"]) == ("Ada", 1)


async def test_an_update_before_the_creation_creates(auth: Any) -> None:
    """Providers §1.4: `user.updated` may arrive before `user.created`."""
    await auth.handle(apply_change, _changed(at=5_000, first_name="Augusta"))
    await auth.handle(apply_change, _changed(at=1_000))

    (row,) = await auth.rows()
    assert row["first_name"] == "Augusta"
    assert [fact for fact, _, _ in await auth.events()] == ["user_registered"]


async def test_a_deletion_erases_and_is_announced_once(auth: Any) -> None:
    """E107: personal data leaves this database and, by the event, the readers' copies; idempotent."""
    await auth.handle(apply_change, _changed())
    deletion = ClerkUserDeleted(clerk_id="user_1", deleted_at=datetime.now(UTC))
    for _ in range(2):
        await auth.handle(apply_deletion, deletion)

    (row,) = await auth.rows()
    assert row["deleted_at"] is not None
    assert (row["email"], row["first_name"], row["image_url"], row["roles"]) == ("", None, None, [])
    fact, version, payload = (await auth.events())[1]
    assert (fact, version, payload["email"], payload["first_name"]) == ("user_updated", 2, "", None)
    assert len(await auth.events()) == 2
    gone = await auth.http.get(f"/v1/users/{row['id']}")
    assert gone.status_code == 404


async def test_nobody_comes_back_from_deletion(auth: Any) -> None:
    """E106: `user.created` after `user.deleted`, known or not, does not resurrect."""
    await auth.handle(apply_deletion, ClerkUserDeleted(clerk_id="user_1", deleted_at=datetime.now(UTC)))
    await auth.handle(apply_change, _changed(at=9_000))

    (row,) = await auth.rows()
    assert row["deleted_at"] is not None
    assert row["email"] == ""
    assert await auth.events() == []


async def test_polling_finds_what_no_webhook_told(auth: Any, clerk: Any) -> None:
    """R-SYNC-03: once per state, and the watermark moves to the run's beginning."""
    start = datetime.now(UTC) + timedelta(seconds=5)
    clock = FrozenClock(start)
    auth.change(clock=clock)
    users = [await clerk.add(first_name=f"Ada {number}") for number in range(3)]

    for _ in range(2):
        await poll_clerk(auth.deps)
    assert {payload["clerk_id"] for _, _, payload in await auth.events(kind="auth.clerk_%")} == set(users)
    assert len(await auth.events(kind="auth.clerk_%")) == 3

    await clerk.change(users[1], first_name="Augusta")
    await poll_clerk(auth.deps)
    _, _, payload = (await auth.events(kind="auth.clerk_%"))[3]
    assert (payload["clerk_id"], payload["first_name"]) == (users[1], "Augusta")
    assert await auth.query("select last_sync_at from sync_watermark") == [{"last_sync_at": start}]


async def test_polling_looks_no_further_back_than_the_overlap(auth: Any, clerk: Any) -> None:
    """R-SYNC-03: what is older than the watermark less five minutes was seen before."""
    clock = FrozenClock(datetime.now(UTC) + timedelta(hours=1))
    auth.change(clock=clock)
    await poll_clerk(auth.deps)
    await clerk.add()

    await poll_clerk(auth.deps)

    assert await auth.events(kind="auth.clerk_%") == []


async def test_a_poll_that_fails_is_repeated_from_the_same_place(auth: Any, clerk: Any) -> None:
    """EX-13: the watermark moves only when everything was read."""
    await clerk.add()
    auth.deps.directory._away_until = float("inf")

    with pytest.raises(Exception, match="Clerk"):
        await poll_clerk(auth.deps)

    assert await auth.query("select last_sync_at from sync_watermark") == []
