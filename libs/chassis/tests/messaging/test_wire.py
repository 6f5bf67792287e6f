"""Our frames against pamqp's reading of them: the library is the oracle."""

import struct
from datetime import UTC, datetime
from typing import Any

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from threadly_chassis.messaging.wire import content_frames

_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda moment: moment.replace(microsecond=0)
)
_SHORT = st.text(max_size=60)
#: pamqp cuts a longer key off at 128 bytes, with a warning; ours writes what AMQP allows, 255.
_KEY = st.text(max_size=32)
_VALUES = st.recursive(
    st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none() | _TIMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEY, inner, max_size=3),
    max_leaves=6,
)
_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": _SHORT,
        "headers": st.dictionaries(_KEY, _VALUES, max_size=8),
        "delivery_mode": st.sampled_from((1, 2)),
        "priority": st.integers(0, 255),
        "correlation_id": _SHORT,
        "expiration": _SHORT,
        "message_id": _SHORT,
        "timestamp": _TIMES,
        "message_type": _SHORT,
        "app_id": _SHORT,
    },
)


def _read(data: bytes) -> list[tuple[int, Any]]:
    frames = []
    while data:
        consumed, channel, frame = pamqp.frame.unmarshal(data)
        frames.append((channel, frame))
        data = data[consumed:]
    return frames


@given(_PROPERTIES, st.binary(max_size=300), st.integers(1, 200), st.integers(1, 65535))
def test_pamqp_reads_what_was_written(fields: dict[str, Any], body: bytes, most: int, channel: int) -> None:
    properties = spec.Basic.Properties(**fields)
    oracle = pamqp.frame.marshal(ContentHeader(body_size=len(body), properties=properties), channel)
    # Around a frame's content stand 7 bytes before it and one behind it.
    most = max(most, len(oracle) - 8)
    written = _read(content_frames(channel, properties, body, most))
    [(_, expected)] = _read(oracle)
    (_, header), *pieces = written
    assert isinstance(header, ContentHeader)
    assert (header.body_size, header.properties) == (len(body), expected.properties)
    assert all(isinstance(piece, ContentBody) and len(piece.value) <= most for _, piece in pieces)
    assert b"".join(piece.value for _, piece in pieces) == body
    assert {number for number, _ in written} == {channel}


@pytest.mark.parametrize(
    "fields",
    [
        {"message_type": "x" * 256},
        {"message_id": "x" * 256},
        {"headers": {"x" * 256: 1}},
        {"headers": {"number": 2**64}},
        {"headers": {"thing": object()}},
        {"delivery_mode": 256},
    ],
    ids=["long type", "long id", "long header", "number over 64 bits", "no AMQP type", "mode over a byte"],
)
def test_what_amqp_cannot_express_is_refused(fields: dict[str, Any]) -> None:
    properties = spec.Basic.Properties(message_id="id")
    for name, value in fields.items():
        setattr(properties, name, value)
    with pytest.raises((ValueError, TypeError, struct.error)):
        content_frames(1, properties, b"", 100)


def test_headers_that_do_not_fit_into_a_frame_are_refused() -> None:
    """The header of a message cannot be split as its body can."""
    properties = spec.Basic.Properties(headers={"long": "x" * 500})
    size = len(pamqp.frame.marshal(ContentHeader(body_size=0, properties=properties), 1)) - 8
    assert content_frames(1, properties, b"", size)
    with pytest.raises(ValueError, match="fit into a frame"):
        content_frames(1, properties, b"", size - 1)
