"""What strangers put into our queues: each a dead letter with its reason, and no harm to others."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pamqp import commands as spec

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.publisher import Confirmation, Outgoing
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten

pytestmark = pytest.mark.integration

CONSUMERS = ("specimen.every", "specimen.newest", "specimen.outside")
BODY = b'{"note_id": "x", "says": ""}'


def _ours(**changes: Any) -> dict[str, Any]:
    """The headers of an event as we write them, with some changed; None leaves one out."""
    event_id = str(new_id())
    headers = {
        h.CE_ID: event_id,
        h.CE_TYPE: NoteWritten.type,
        h.CE_SUBJECT: "x",
        h.CE_TIME: datetime.now(UTC).isoformat(),
        h.AGGREGATE_TYPE: "note",
        h.AGGREGATE_VERSION: 1,
        **changes,
    }
    return {name: value for name, value in headers.items() if value is not None}


def _to(queue: str, body: bytes, headers: dict[str, Any] | None, **properties: Any) -> Outgoing:
    described = spec.Basic.Properties(**{"message_id": str(new_id()), "headers": headers, **properties})
    return Outgoing("", queue, described, body)


async def _letter(specimen: Specimen, consumer: str) -> Any:
    async def there() -> bool:
        return await specimen.depth(f"{consumer}.dlq") == 1

    await eventually(there, describe=f"a dead letter of {consumer}")
    [letter] = await specimen.take(f"{consumer}.dlq")
    return letter


async def _still_works(specimen: Specimen, consumer: str) -> None:
    """Whoever met the message goes on: no queue holds it any more, and what comes next is applied at once."""
    await specimen.write("after")

    async def applied() -> bool:
        return ("after", 1) in await specimen.effects(consumer)

    await eventually(applied, timeout=10, describe=f"{consumer} to go on")
    assert await specimen.depth(consumer) == 0


#: What it is, its body, its headers and properties, and the reason that its dead letter gives.
STRANGERS: list[tuple[str, bytes, dict[str, Any] | None, dict[str, Any], str]] = [
    ("rabbitmqadmin: a payload and nothing else", b"hello", None, {"message_id": None}, "undecodable"),
    ("our body, but no headers", BODY, {}, {"content_type": "application/json"}, "undecodable"),
    ("a CloudEvent of somebody else", b"<a/>", _ours(**{h.CE_TYPE: "com.example.thing"}), {}, "unknown-type"),
    (
        "a type of ours in no version",
        BODY,
        _ours(**{h.CE_TYPE: "threadly.specimen.note_written"}),
        {},
        "unknown-type",
    ),
    (
        "the next major version",
        BODY,
        _ours(**{h.CE_TYPE: "threadly.specimen.note_written.v2"}),
        {},
        "unknown-major",
    ),
    (
        "a shovel's message without our headers",
        BODY,
        {"x-shovelled": [{"src-uri": "amqp://elsewhere"}]},
        {},
        "undecodable",
    ),
    ("text that is no UTF-8", b'{"note_id": "\xff\xfe"}', _ours(), {}, "undecodable"),
    ("a body nested without end", b"[" * 100_000, _ours(), {}, "undecodable"),
    ("a number that no float holds", b'{"note_id": 1e999, "says": ""}', _ours(), {}, "undecodable"),
    ("another event's body", b'{"story_id": "x"}', _ours(), {}, "undecodable"),
    ("a compressed body", b"\x1f\x8b\x08\x00", _ours(), {"content_encoding": "gzip"}, "undecodable"),
    ("an empty body", b"", _ours(), {}, "undecodable"),
    ("a body of 2 MiB", b"x" * (2 * 1024 * 1024), _ours(), {}, "undecodable"),
    (
        "headers of the wrong types",
        BODY,
        _ours(**{h.CE_ID: 7, h.AGGREGATE_VERSION: "many"}),
        {},
        "undecodable",
    ),
    (
        "headers of every type",
        BODY,
        {
            "decimal": Decimal("1.5"),
            "double": 0.5,
            "void": None,
            "bytes": bytearray(b"\xff"),
            "big": 2**62,
            "when": datetime(2020, 1, 1, tzinfo=UTC),
            "table": {"list": [1, {"a": [True]}]},
            h.CE_SUBJECT: [1],
        },
        {"priority": 9, "reply_to": "them", "app_id": "tool"},
        "undecodable",
    ),
    ("headers that leave no room for a reason", BODY, {"long": "x" * 130_000}, {}, "rejected"),
]


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize(
    ("body", "headers", "properties", "reason"), [s[1:] for s in STRANGERS], ids=[s[0] for s in STRANGERS]
)
async def test_a_strangers_message_is_a_dead_letter_with_its_reason(
    specimen: Specimen,
    consumer: str,
    body: bytes,
    headers: dict[str, Any] | None,
    properties: dict[str, Any],
    reason: str,
) -> None:
    """Bad input: unknown type or major, malformed, oversize, without headers, from another tool."""
    async with specimen.working():
        await specimen.publish(_to(consumer, body, headers, **properties))
        letter = await _letter(specimen, consumer)
        await _still_works(specimen, consumer)
    assert letter.body == body
    assert _reason(letter.headers) == reason


def _reason(headers: Any) -> str:
    """As operations reads it: ours, or what the broker says of a letter that it buried without us."""
    return str(headers.get(h.DEAD_REASON) or headers["x-death"][0]["reason"])


async def test_what_a_shovel_or_a_federation_adds_harms_nothing(specimen: Specimen) -> None:
    """An event of ours that took a detour is applied like any other."""
    headers = _ours(
        **{
            "x-shovelled": [{"shovelled-by": "rabbit@there", "src-queue": "q", "shovel-type": "dynamic"}],
            "x-received-from": [{"uri": "amqp://there", "exchange": "t.events", "redelivered": False}],
            "x-death": [{"count": 3, "reason": "expired", "queue": "elsewhere", "time": datetime.now(UTC)}],
        }
    )
    async with specimen.working():
        await specimen.publish(_to("specimen.every", BODY, headers))
        await eventually(specimen.effects, describe="the effect")
    assert await specimen.depth("specimen.every.dlq") == 0


async def _publish_raw(specimen: Specimen, message: Outgoing, old: bytes, new: bytes) -> None:
    """Publish a message in whose frames some bytes are others: what no library of ours would write."""
    channel: Any = await specimen.publisher._open_channel(await specimen.publisher._connection.transport())
    marshal: Callable[[int, Outgoing], bytes] = channel._marshal

    def marshal_wrongly(index: int, outgoing: Outgoing) -> bytes:
        written = marshal(index, outgoing)
        assert old in written
        return written.replace(old, new)

    channel._marshal = marshal_wrongly
    try:
        assert await channel.publish_batch([message], 5) == [Confirmation.CONFIRMED]
    finally:
        channel._marshal = marshal


NOT_UTF8 = b"\xff\xfe\xfd\xfc"
#: 2**62 seconds; what a tool makes that counts nanoseconds.
LATE = struct.pack(">Q", 2**62)


@pytest.mark.parametrize(
    ("properties", "old", "new"),
    [
        ({"message_id": "ZZZZ"}, b"ZZZZ", NOT_UTF8),
        ({"content_type": "ZZZZ"}, b"ZZZZ", NOT_UTF8),
        ({"headers": {"ZZZZ": 1}}, b"ZZZZ", NOT_UTF8),
        ({"headers": {"inside": {"ZZZZ": 1}}}, b"ZZZZ", NOT_UTF8),
        ({"timestamp": datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC)}, struct.pack(">Q", 2_000_000_000), LATE),
    ],
    ids=["an id", "a content type", "a header's name", "a name inside a header", "a time in nanoseconds"],
)
async def test_headers_that_cannot_be_read_at_all_cost_no_consumer_its_connection(
    specimen: Specimen, properties: dict[str, Any], old: bytes, new: bytes
) -> None:
    """aiormq gives the connection up over them, and the broker delivers again: for ever, and to all."""
    async with specimen.working() as worker:
        connection = await worker._consuming.transport()
        await _publish_raw(specimen, _to("specimen.every", BODY, **({"headers": {}} | properties)), old, new)
        letter = await _letter(specimen, "specimen.every")
        await _still_works(specimen, "specimen.every")
        assert await worker._consuming.transport() is connection
    assert letter.headers[h.DEAD_REASON] == "undecodable"
    assert letter.headers[h.DEAD_MESSAGE].startswith("the headers: ")
    assert new.hex() in letter.headers[h.UNREADABLE_BYTES]
    assert letter.body == BODY


async def test_an_event_without_room_for_another_try_is_given_up_and_not_tried_for_ever(
    specimen: Specimen,
) -> None:
    """It fits into a frame as it came, and no longer with the attempts counted."""
    body = b'{"note_id": "x", "says": "fail"}'
    headers = _ours(long="x" * 130_600)
    async with specimen.working():
        await specimen.publish(_to("specimen.every", body, headers))
        letter = await _letter(specimen, "specimen.every")
        await _still_works(specimen, "specimen.every")
    assert (letter.body, _reason(letter.headers)) == (body, "rejected")
