"""The failure way: down the wait ladder, and past its end into the dead letters.

Both are a confirmed republish, then the acknowledgement. A crash between the two leaves a duplicate, which
the inbox (ladder) or the dead letters' ingestion (same consumer, event and attempt) absorbs.
"""

import hashlib
import socket
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from pamqp import commands as spec

from ..errors import ThreadlyError
from ..observability.tracing import current_trace_id
from . import headers as h
from .delivery import Delivery
from .ladder import Ladder, Step
from .publisher import Outgoing
from .topology import DEAD_EXCHANGE, dead_letter_queue, wait_queue

#: A content header travels in one frame; a whole stack trace could break the connection. The tail says most.
MAX_STACK_BYTES = 8 * 1024
_MAX_MESSAGE_CHARS = 1000
RETRIES_EXHAUSTED = "retries-exhausted"


#: Where the chassis carries a message to its handler, on one way or another; none of them is the failure.
_CARRIERS = ("threadly_chassis/messaging/", "threadly_chassis/db/")


def fingerprint(error: BaseException) -> str:
    """Name a kind of failure: the error's type and the functions it came through, without lines or values.

    The same failure has the same name alone and in a batch, on the ladder and in a rehearsal.
    """
    frames = [
        f"{frame.filename.rpartition('/src/')[2]}:{frame.name}" for frame in _frames(error.__traceback__)
    ]
    own = [frame for frame in frames if frame.startswith("threadly_") and not frame.startswith(_CARRIERS)]
    described = "\n".join([type(error).__qualname__, *own])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(trace))


def reason_of(error: BaseException) -> str:
    """The reason that a dead letter shows: the error's code when it has one."""
    return error.code if isinstance(error, ThreadlyError) else "failed"


class FailureWay:
    """Builds what a failed delivery becomes, for one consumer."""

    def __init__(self, consumer: str, ladder: Ladder, release: str) -> None:
        self._consumer = consumer
        self._ladder = ladder
        self._release = release
        self._host = socket.gethostname()

    def next_step(self, delivery: Delivery) -> Step | None:
        """The wait before the next try; None when the ladder is used up."""
        return self._ladder.after(delivery.attempt)

    @property
    def middle_step(self) -> Step | None:
        """A wait that is neither a nuisance to the broker nor to people; None without a ladder."""
        return self._ladder.steps[len(self._ladder.steps) // 2] if self._ladder.steps else None

    @property
    def last_step(self) -> Step | None:
        """The longest wait; None without a ladder."""
        return self._ladder.steps[-1] if self._ladder.steps else None

    def retry(self, delivery: Delivery, step: Step, *, counts: bool = True) -> Outgoing:
        """The message that waits and then comes back to this consumer's queue.

        Its try `counts` unless it failed for a reason that is known not to be its own.
        """
        headers = self._common(delivery) | {h.ATTEMPT: delivery.attempt + counts}
        return Outgoing(
            exchange=wait_queue(self._consumer, step.name),
            routing_key=self._consumer,
            properties=_properties(delivery, headers, expiration=str(step.jittered())),
            body=delivery.message.body,
        )

    def dead_letter(self, delivery: Delivery, error: BaseException, reason: str) -> Outgoing:
        """The message as it lies in the dead-letter queue, explaining itself."""
        stack = "".join(traceback.format_exception(error)).encode()[-MAX_STACK_BYTES:]
        headers = self._common(delivery) | {
            h.ATTEMPT: delivery.attempt,
            h.DEAD_REASON: reason,
            h.DEAD_CONSUMER: self._consumer,
            h.DEAD_EXCEPTION: f"{type(error).__module__}.{type(error).__qualname__}",
            h.DEAD_MESSAGE: str(error)[:_MAX_MESSAGE_CHARS],
            h.DEAD_STACK: stack.decode(errors="ignore"),
            h.DEAD_FINGERPRINT: fingerprint(error),
            h.DEAD_HOST: self._host,
            h.DEAD_RELEASE: self._release,
            h.DEAD_TRACE: current_trace_id() or "",
        }
        return Outgoing(
            exchange=DEAD_EXCHANGE,
            routing_key=dead_letter_queue(self._consumer),
            properties=_properties(delivery, headers, expiration=None),
            body=delivery.message.body,
        )

    def _common(self, delivery: Delivery) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        headers = h.without_dead_letter_headers(h.without_broker_headers(delivery.headers))
        headers.setdefault(h.FIRST_FAILED_AT, now)
        headers.setdefault(h.ORIGIN_ROUTING_KEY, delivery.message.routing_key or "")
        return headers | {h.LAST_FAILED_AT: now, h.ORIGIN_QUEUE: self._consumer}


def _properties(delivery: Delivery, headers: dict[str, Any], expiration: str | None) -> spec.Basic.Properties:
    message = delivery.message
    return spec.Basic.Properties(
        app_id=message.app_id,
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        # Dead-lettering keeps the mode, and a transient message would not survive a broker's restart.
        delivery_mode=2,
        expiration=expiration,
        headers=headers,
        message_id=message.message_id,
        message_type=message.type,
        timestamp=message.timestamp,
    )
