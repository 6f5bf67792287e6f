"""Store once what Clerk tells, and hand it to ourselves as a message (R-SYNC-01, R-SYNC-02)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from threadly_chassis.db import Transaction
from threadly_chassis.observability.logging import get_logger

from ..domain.messages import ClerkUserChanged, ClerkUserDeleted, milliseconds
from ..domain.profile import MalformedProfile, Profile, parse_profile
from ..domain.svix import verify_webhook
from ..storage import sync

_log = get_logger(__name__)


class MalformedWebhook(ValueError):
    """Signed, but not what Clerk documents."""


async def receive_webhook(
    headers: Mapping[str, str], body: bytes, *, secret: str, tx: Transaction, now: datetime
) -> None:
    """Take in one webhook; a repeated one has no second effect, one of another kind is only recorded.

    Raises `SignatureRefused` or `MalformedWebhook`.
    """
    event_id = verify_webhook(secret, headers, body, now=now)
    kind, data = _parse(body)
    message = _message_of(kind, data, now)
    fresh = await sync.remember(tx.session, event_id, kind)
    _log.info("clerk webhook", webhook_id=event_id, webhook_type=kind, repeated=not fresh)
    if fresh and message is not None:
        await _tell_ourselves(message, tx=tx)


async def receive_profile(profile: Profile, *, tx: Transaction) -> bool:
    """Take in what polling found; the same state of the same user once. Returns whether it was new."""
    event_id = f"poll:{profile.clerk_id}:{milliseconds(profile.updated_at)}"
    fresh = await sync.remember(tx.session, event_id, "poll")
    if fresh:
        await _tell_ourselves(ClerkUserChanged.of(profile), tx=tx)
    return fresh


async def _tell_ourselves(message: ClerkUserChanged | ClerkUserDeleted, *, tx: Transaction) -> None:
    moment = message.updated_at if isinstance(message, ClerkUserChanged) else message.deleted_at
    await tx.publish(message, version=milliseconds(moment))


def _parse(body: bytes) -> tuple[str, dict[str, Any]]:
    try:
        event = json.loads(body)
        kind, data = event["type"], event["data"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedWebhook("The body is not an event.") from error
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise MalformedWebhook("The body is not an event.")
    return kind, data


def _message_of(kind: str, data: dict[str, Any], now: datetime) -> ClerkUserChanged | ClerkUserDeleted | None:
    if kind in {"user.created", "user.updated"}:
        try:
            return ClerkUserChanged.of(parse_profile(data))
        except MalformedProfile as error:
            raise MalformedWebhook(str(error)) from error
    if kind == "user.deleted":
        clerk_id = data.get("id")
        if not isinstance(clerk_id, str) or not clerk_id:
            raise MalformedWebhook("The deleted user has no id.")
        return ClerkUserDeleted(clerk_id=clerk_id, deleted_at=now)
    return None
