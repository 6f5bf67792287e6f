"""Every header and property name of a message, once.

CloudEvents 1.0 attributes travel in binary mode with the prefix of its AMQP binding; ours begin with `t-`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

CE_PREFIX = "cloudEvents:"
CE_SPECVERSION = f"{CE_PREFIX}specversion"
CE_ID = f"{CE_PREFIX}id"
CE_SOURCE = f"{CE_PREFIX}source"
CE_TYPE = f"{CE_PREFIX}type"
CE_SUBJECT = f"{CE_PREFIX}subject"
CE_TIME = f"{CE_PREFIX}time"
#: CloudEvents' sequence extension: zero-padded, because it is ordered as text.
CE_SEQUENCE = f"{CE_PREFIX}sequence"
CE_CORRELATION = f"{CE_PREFIX}correlationid"
CE_CAUSATION = f"{CE_PREFIX}causationid"

AGGREGATE_TYPE = "t-agg-type"
AGGREGATE_VERSION = "t-agg-version"
#: On an event sent again for a strict reader: from here up to its own version there is nothing else for it.
FROM_VERSION = "t-from-version"
#: Raised after a point-in-time restore of the producer; compared before the version.
EPOCH = "t-epoch"
SCHEMA = "t-schema"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

#: 1 for the first try, raised by each step of the ladder.
ATTEMPT = "t-attempt"
FIRST_FAILED_AT = "t-first-failed-at"
LAST_FAILED_AT = "t-last-failed-at"
ORIGIN_QUEUE = "t-origin-queue"
#: The routing key under which the event first came, for a replay to all subscribers.
ORIGIN_ROUTING_KEY = "t-origin-routing-key"
REPLAY_ID = "t-replay-id"
#: The rebuild that sent the event again; set by its owner on what it streams to one reader.
REBUILD_ID = "t-rebuild-id"
#: On a request to rehearse, the consumer that is meant; the rest is the letter as a replay would bring it.
REHEARSE = "t-rehearse"
#: On a scheduled event, when it was due: in history it is a timer, not a state.
DUE_AT = "t-due-at"
#: On an event that repeats how its aggregate stood, for want of the original.
RESTATED = "t-restated"

DEAD_REASON = "t-dead-reason"
DEAD_CONSUMER = "t-dead-consumer"
DEAD_EXCEPTION = "t-dead-exception"
DEAD_MESSAGE = "t-dead-message"
DEAD_STACK = "t-dead-stack"
DEAD_FINGERPRINT = "t-dead-fingerprint"
DEAD_HOST = "t-dead-host"
DEAD_RELEASE = "t-dead-release"
DEAD_TRACE = "t-dead-trace"

#: In the place of headers that could not be read: why, and their first bytes in hexadecimal.
UNREADABLE = "t-unreadable"
UNREADABLE_BYTES = "t-unreadable-bytes"

#: Broker's own count of deliveries; absent on the first one.
DELIVERY_COUNT = "x-delivery-count"

#: What the broker adds about earlier lives of a message. Kept on a republish it makes a wait queue's
#: dead-lettering look like a cycle, and RabbitMQ 3.10 then drops the message without a word.
_BROKER_HEADERS = frozenset({"x-death", "x-delivery-count", "x-acquired-count", "CC", "BCC"})
_BROKER_PREFIXES = ("x-first-death-", "x-last-death-")
_DEAD_PREFIX = "t-dead-"


def without_broker_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Copy headers for a republish, leaving out what the broker wrote."""
    return {
        name: value
        for name, value in headers.items()
        if name not in _BROKER_HEADERS and not name.startswith(_BROKER_PREFIXES)
    }


def without_dead_letter_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Copy headers for a message that starts a new life."""
    return {name: value for name, value in headers.items() if not name.startswith(_DEAD_PREFIX)}


def jsonable(value: Any) -> Any:
    """What a stranger put into a header, as JSON can say it."""
    match value:
        case datetime():
            return value.isoformat()
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
        case Mapping():
            return {str(key): jsonable(part) for key, part in value.items()}
        case list() | tuple():
            return [jsonable(part) for part in value]
        case str() | int() | float() | bool() | None:
            return value
        case _:
            return str(value)
