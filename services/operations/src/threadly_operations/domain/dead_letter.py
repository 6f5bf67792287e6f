"""A dead letter: what its headers say, and what may be done with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from threadly_chassis.errors import Conflict, Invalid
from threadly_chassis.messaging import headers as h

from .status import Status

#: What an operator may do, by where the letter stands.
_DISCARDABLE = {Status.OPEN}
_REPLAYABLE = {Status.OPEN}
_REPLAYABLE_BY_WHO_KNOWS = {Status.OPEN, Status.DISCARDED}


class NotReplayable(Conflict):
    """The letter was resolved, or is being replayed already."""

    code = "not_replayable"
    title = "This message cannot be replayed now"


class LetterChanged(Conflict):
    """The letter is not as the operator saw it; `row_version` is the present one."""

    code = "letter_changed"
    title = "This message has changed since you looked"


class ReasonMissing(Invalid):
    """What changes or ends a letter says why."""

    code = "reason_missing"
    title = "Say why"


class NotDiscardable(Conflict):
    """Only an open letter can be discarded."""

    code = "not_discardable"
    title = "This message cannot be discarded now"


def is_replayable(status: Status, *, discarded: bool) -> bool:
    """Whether a letter in `status` may be sent back.

    One that was discarded only by somebody who knows it (`discarded`): of two operators who decide about one
    open letter at the same moment exactly one wins, and the other is told (F41).
    """
    return status in (_REPLAYABLE_BY_WHO_KNOWS if discarded else _REPLAYABLE)


def check_replayable(status: Status, *, discarded: bool) -> None:
    """Raise `NotReplayable` unless `is_replayable`."""
    if is_replayable(status, discarded=discarded):
        return
    if status is Status.DISCARDED:
        raise NotReplayable("It was discarded. Ask for discarded ones, too, to send it back all the same.")
    raise NotReplayable(f"It is {status}.")


def check_discardable(status: Status) -> None:
    """Raise `NotDiscardable` unless a letter in `status` may be given up for good."""
    if status not in _DISCARDABLE:
        raise NotDiscardable(f"It is {status}.")


def check_unchanged(seen: int | None, row_version: int, status: Status) -> None:
    """Raise `LetterChanged` unless the letter still has the row version that the operator saw (None: any)."""
    if seen is not None and seen != row_version:
        raise LetterChanged(
            f"It is {status} in version {row_version}, you saw version {seen}.", row_version=row_version
        )


def check_reason(reason: str) -> None:
    """Raise `ReasonMissing` for an empty reason."""
    if not reason.strip():
        raise ReasonMissing


@dataclass(frozen=True, slots=True)
class Story:
    """Why a message gave up, as its own headers tell it."""

    message_key: str
    event_type: str
    aggregate: str
    subject: str
    version: int | None
    reason: str
    exception: str
    message: str
    stack: str
    fingerprint: str
    attempts: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    trace_id: str
    correlation_id: str
    release: str
    host: str


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_story(headers: Mapping[str, Any], body: bytes) -> Story:
    """Read a dead letter's headers; a message that has none of ours is known by a digest of its body."""

    def text(name: str) -> str:
        return str(headers.get(name, ""))

    digest = hashlib.sha256(body).hexdigest()[:32]
    return Story(
        message_key=text(h.CE_ID) or f"sha256:{digest}",
        event_type=text(h.CE_TYPE) or "unknown",
        aggregate=text(h.AGGREGATE_TYPE),
        subject=text(h.CE_SUBJECT),
        version=_number(headers.get(h.AGGREGATE_VERSION)),
        reason=text(h.DEAD_REASON) or _broker_reason(headers),
        exception=text(h.DEAD_EXCEPTION),
        message=text(h.DEAD_MESSAGE),
        stack=text(h.DEAD_STACK),
        fingerprint=text(h.DEAD_FINGERPRINT) or text(h.DEAD_REASON) or _broker_reason(headers),
        attempts=_number(headers.get(h.ATTEMPT)) or 1,
        first_failed_at=_moment(headers.get(h.FIRST_FAILED_AT)),
        last_failed_at=_moment(headers.get(h.LAST_FAILED_AT)),
        trace_id=text(h.DEAD_TRACE) or _trace_of(headers),
        correlation_id=text(h.CE_CORRELATION),
        release=text(h.DEAD_RELEASE),
        host=text(h.DEAD_HOST),
    )


def _broker_reason(headers: Mapping[str, Any]) -> str:
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping):
        return f"broker: {deaths[0].get('reason', 'unknown')}"
    return "unknown"


def _trace_of(headers: Mapping[str, Any]) -> str:
    parts = str(headers.get(h.TRACEPARENT, "")).split("-")
    return parts[1] if len(parts) == 4 else ""  # noqa: PLR2004 - W3C: version, trace, parent, flags


def parse_replay_id(headers: Mapping[str, Any]) -> UUID | None:
    """The replay that a message came back from, if it did."""
    try:
        return UUID(str(headers[h.REPLAY_ID]))
    except (KeyError, ValueError):
        return None


def parse_event_id(message_key: str) -> UUID | None:
    """The event that a letter is about; None when it could not say, and so belongs to no stream."""
    try:
        return UUID(message_key)
    except ValueError:
        return None
