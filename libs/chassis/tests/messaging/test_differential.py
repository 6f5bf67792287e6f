"""The fast publishing path against aio-pika's ordinary one: one broker, no difference."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pamqp.frame
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.connection import BROKER_ERRORS, BrokerConnection
from threadly_chassis.messaging.publisher import Confirmation, Outgoing, Publisher, Unencodable
from threadly_chassis.outbox.message import to_message
from threadly_chassis.outbox.store import OutboxRow
from threadly_chassis.testing.plain import publish_plainly

pytestmark = pytest.mark.integration

EXCHANGE = "t.events"
TAKEN, FULL = "taken", "full"

_SHORT = st.text(max_size=60)
_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
_VALUES = st.recursive(
    st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none() | _TIMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SHORT, inner, max_size=3),
    max_leaves=6,
)


class _Body(bytes):
    """Shown in short: a failing case is to be read."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


#: Names of headers: up to 128 bytes, where pamqp cuts them off without a word. What the broker itself acts on
#: (`CC`, `BCC`) or writes is not ours to send.
_NAMES = st.text(max_size=32).filter(lambda name: name not in {"CC", "BCC", "x-delivery-count"})
_HEADERS = st.dictionaries(_NAMES, _VALUES, max_size=8)
_BODIES = st.binary(max_size=2000).map(_Body) | st.sampled_from((131_064, 131_065, 262_144)).map(
    lambda size: _Body(b"x" * size)
)
#: What a relay makes of a row of the outbox: bound, bound to nothing, and refused by a full queue.
_ROWS = st.builds(
    lambda name, headers, payload, moment: OutboxRow(
        1,
        0,
        str(new_id()),
        "note",
        "a",
        1,
        f"threadly.specimen.{name}.v1",
        1,
        headers,
        payload,
        int(moment.timestamp()) * 1_000_000 + moment.microsecond,
    ),
    st.sampled_from(["note_written", "note_written", "note_burnt", "note_refused"]),
    _HEADERS,
    _BODIES,
    _TIMES,
)
#: What a consumer makes of a failed delivery: straight to a queue, with whatever a stranger had set.
_PROPERTIES = st.fixed_dictionaries(
    {"headers": _HEADERS, "delivery_mode": st.sampled_from((1, 2))},
    optional={
        "content_type": _SHORT,
        "content_encoding": _SHORT,
        "correlation_id": _SHORT,
        # Quorum queues of RabbitMQ 4.0 let what is above 4 go first; 4.3 takes an unset one for 4.
        "priority": st.just(4),
        # Long enough not to pass meanwhile; whole seconds, because aio-pika counts milliseconds in floats.
        "expiration": st.integers(600, 10_000).map(lambda seconds: str(seconds * 1000)),
        "timestamp": _TIMES,
        "message_type": _SHORT,
        "app_id": _SHORT,
    },
)
_OTHERS = st.builds(
    lambda queue, fields, body: Outgoing(
        "", queue, spec.Basic.Properties(message_id=str(new_id()), **fields), body
    ),
    st.sampled_from([TAKEN, "nowhere", FULL]),
    _PROPERTIES,
    _BODIES,
)


@dataclass
class Bench:
    """A virtual host with one queue that takes, one that is full, and both ways to publish."""

    publisher: Publisher
    plain: AbstractChannel
    looking: AbstractChannel

    async def take(self) -> list[tuple[Any, ...]]:
        """Empty the queue; each message as a consumer gets it."""
        underlay = await self.looking.get_underlay_channel()
        taken: list[tuple[Any, ...]] = []
        while True:
            message = await underlay.basic_get(TAKEN, no_ack=True)
            if isinstance(message.delivery, spec.Basic.GetEmpty):
                return taken
            taken.append(_as_received(message))


def _as_received(message: DeliveredMessage) -> tuple[Any, ...]:
    got = message.delivery
    assert isinstance(got, spec.Basic.GetOk)
    properties = message.header.properties
    # RabbitMQ counts every `get` from a quorum queue in a header of its own.
    headers = {k: v for k, v in (properties.headers or {}).items() if k != "x-delivery-count"}
    properties.headers = headers
    header = pamqp.frame.marshal(ContentHeader(body_size=len(message.body), properties=properties), 1)
    return got.exchange, got.routing_key, got.redelivered, bytes(message.body), header, repr(headers)


@pytest.fixture
async def bench(vhost: str) -> AsyncIterator[Bench]:
    fast, slow = BrokerConnection(vhost, "fast"), BrokerConnection(vhost, "plain")
    plain = await (await slow.get()).channel(publisher_confirms=True, on_return_raises=True)
    looking = await (await slow.get()).channel()
    exchange = await looking.declare_exchange(EXCHANGE, "topic", durable=True)
    taken = await looking.declare_queue(TAKEN, durable=True, arguments={"x-queue-type": "quorum"})
    await taken.bind(exchange, "specimen.note_written.v1")
    never: FieldTable = {"x-queue-type": "classic", "x-max-length": 0, "x-overflow": "reject-publish"}
    full = await looking.declare_queue(FULL, durable=True, arguments=never)
    await full.bind(exchange, "specimen.note_refused.v1")
    yield Bench(Publisher(fast), plain, looking)
    await fast.close()
    await slow.close()


@settings(
    max_examples=40,
    # Not made smaller: every try goes over the wire, and a case of ten messages is read easily enough.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(messages=st.lists(_ROWS.map(to_message) | _OTHERS, min_size=1, max_size=12))
async def test_both_ways_bring_the_same_bytes_and_the_same_answers(
    bench: Bench, messages: list[Outgoing]
) -> None:
    """Body, properties, headers and their types, exchange, key, order; confirmed, refused and returned."""
    fast = await bench.publisher.publish(messages), await bench.take()
    plain = await publish_plainly(bench.plain, messages), await bench.take()
    assert fast == plain
    assert Confirmation.UNKNOWN not in fast[0]
    assert len(fast[1]) == fast[0].count(Confirmation.CONFIRMED)


async def test_both_ways_meet_every_answer(bench: Bench) -> None:
    """What the test above relies on: the three kinds of target really are three."""
    messages = [
        Outgoing("", queue, spec.Basic.Properties(message_id=str(new_id()), headers={}), b"{}")
        for queue in (TAKEN, FULL, "nowhere")
    ]
    expected = [Confirmation.CONFIRMED, Confirmation.REFUSED, Confirmation.RETURNED]
    assert await bench.publisher.publish(messages) == expected
    assert await publish_plainly(bench.plain, messages) == expected


@pytest.mark.parametrize("size", [131_072, 1_000_000], ids=["a frame", "many frames"])
async def test_oversize_headers_are_taken_by_neither(bench: Bench, size: int) -> None:
    """Both refuse, with a difference: the ordinary way lets the broker hang up, ours notices before."""
    too_long = Outgoing(
        "", TAKEN, spec.Basic.Properties(message_id=str(new_id()), headers={"long": "x" * size}), b"{}"
    )
    with pytest.raises(Unencodable, match="fit into a frame"):
        await bench.publisher.publish([too_long])
    with pytest.raises(BROKER_ERRORS):
        await publish_plainly(bench.plain, [too_long])
    fine = Outgoing("", TAKEN, spec.Basic.Properties(message_id=str(new_id()), headers={}), b"{}")
    assert await bench.publisher.publish([fine]) == [Confirmation.CONFIRMED]


async def test_a_long_header_name_is_kept_whole_where_the_ordinary_way_cuts_it(bench: Bench) -> None:
    """The one difference: AMQP's 128 bytes, which RabbitMQ does not insist on. A stranger's header stays."""
    name = "x" * 129
    message = Outgoing("", TAKEN, spec.Basic.Properties(message_id=str(new_id()), headers={name: 1}), b"{}")
    await bench.publisher.publish([message])
    await publish_plainly(bench.plain, [message])
    fast, plain = await bench.take()
    assert (fast[-1], plain[-1]) == (repr({name: 1}), repr({name[:128]: 1}))
