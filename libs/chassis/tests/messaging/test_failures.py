"""The failure way: the ladder, the dead letters, and who is spared."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pamqp import commands as spec

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.dead_letters import MAX_STACK_BYTES, FailureWay
from threadly_chassis.messaging.delivery import Delivery
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration

TYPE = "threadly.specimen.note_written.v1"


def _message(
    body: bytes = b'{"note_id": "x", "says": ""}', headers: dict[str, Any] | None = None
) -> Outgoing:
    event_id = str(new_id())
    described = {
        h.CE_ID: event_id,
        h.CE_TYPE: TYPE,
        h.CE_SUBJECT: "x",
        h.CE_TIME: datetime.now(UTC).isoformat(),
        h.AGGREGATE_TYPE: "note",
        h.AGGREGATE_VERSION: 1,
        **(headers or {}),
    }
    given = {name: value for name, value in described.items() if value is not None}
    properties = spec.Basic.Properties(message_id=event_id, delivery_mode=2, headers=given)
    return Outgoing("", "specimen.every", properties, body)


async def _dead(specimen: Specimen, count: int = 1, consumer: str = "specimen.every") -> list[Any]:
    async def there() -> bool:
        return bool(await specimen.depth(f"{consumer}.dlq") == count)

    await eventually(there, describe=f"{count} dead letters of {consumer}")
    return list(await specimen.take(f"{consumer}.dlq"))


async def _applied(specimen: Specimen, count: int, consumer: str = "specimen.every") -> list[tuple[str, int]]:
    async def there() -> list[tuple[str, int]]:
        effects = await specimen.effects(consumer)
        assert len(effects) == count, effects
        return list(effects)

    return await eventually(there, describe=f"{count} effects of {consumer}")


async def test_a_message_climbs_the_ladder_and_is_applied(specimen: Specimen) -> None:
    """Attempts are counted exactly; each wait lies within [X/2, X] plus the broker's and our own time."""
    async with specimen.working():
        started = time.monotonic()
        await specimen.write("a", says="fail until attempt 3")
        await _applied(specimen, 1)
        waited = time.monotonic() - started
    assert 0.3 <= waited <= 0.6 + 2.0
    assert await specimen.query("select attempt from effect where consumer = 'specimen.every'") == [(3,)]
    assert await specimen.depth("specimen.every.dlq") == 0


async def test_past_the_ladder_a_message_is_a_dead_letter_that_explains_itself(specimen: Specimen) -> None:
    """R-SYS-05: what operators see is enough to judge a replay."""
    before = datetime.now(UTC)
    async with specimen.working():
        await specimen.write("a", says="fail")
        [letter] = await _dead(specimen)
    headers = letter.headers
    assert headers["t-dead-reason"] == "retries-exhausted"
    assert headers["t-dead-consumer"] == headers["t-origin-queue"] == "specimen.every"
    assert headers["t-dead-exception"] == "builtins.RuntimeError"
    assert headers["t-dead-message"] == "told to"
    assert headers["t-dead-stack"].rstrip().endswith("RuntimeError: told to")
    assert "in obey" in headers["t-dead-stack"]
    assert headers["t-attempt"] == 3
    assert headers["t-origin-routing-key"] == "specimen.note_written.v1"
    first, last = (datetime.fromisoformat(headers[f"t-{which}-failed-at"]) for which in ("first", "last"))
    assert before <= first < last <= datetime.now(UTC)
    assert last - first >= timedelta(seconds=0.3)
    assert headers["t-dead-release"] == "dev"
    assert len(headers["t-dead-fingerprint"]) == 16
    # RabbitMQ 3.10 adds its own count to every `get`; of the message's earlier lives nothing is left.
    assert [name for name in headers if name.startswith("x-")] in ([], ["x-delivery-count"])
    assert letter.body == b'{"note_id":"a","says":"fail"}'
    assert letter.expiration is None
    assert await specimen.effects() == []


async def test_only_the_failing_consumer_repeats(specimen: Specimen) -> None:
    """R-SYS-05, R-SYS-10: its siblings have applied the event once and for all."""
    async with specimen.working():
        await specimen.write("a", says="permanent")
        await _dead(specimen)
        assert await _applied(specimen, 1, "specimen.newest") == [("a", 1)]
    assert await specimen.effects() == []


async def test_the_guilty_one_of_a_batch_goes_and_its_neighbours_are_applied(specimen: Specimen) -> None:
    await specimen.write(*(f"good-{number}" for number in range(20)))
    await specimen.write("bad", says="permanent")
    await specimen.write(*(f"good-{number}" for number in range(20, 40)))
    async with specimen.working():
        effects = await _applied(specimen, 40)
        [letter] = await _dead(specimen)
    assert letter.headers["cloudEvents:subject"] == "bad"
    assert {note for note, _ in effects} == {f"good-{number}" for number in range(40)}


async def test_the_failing_effect_goes_its_own_way(specimen: Specimen) -> None:
    async with specimen.working():
        await specimen.write("a", says="permanent")
        await specimen.write("a", "b")
        [letter] = await _dead(specimen, consumer="specimen.outside")
        assert sorted(await _applied(specimen, 2, "specimen.outside")) == [("a", 2), ("b", 1)]
    assert letter.headers["t-dead-reason"] == "permanent"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_message(b"\x00 not JSON"), "undecodable"),
        (_message(b'{"note_id": "x"}'), "undecodable"),
        (_message(headers={h.CE_ID: None}), "undecodable"),
        (_message(headers={h.CE_ID: "not an id"}), "undecodable"),
        (_message(headers={h.CE_TYPE: "threadly.specimen.note_sung.v1"}), "unknown-type"),
        (_message(headers={h.CE_TYPE: "threadly.specimen.note_written.v2"}), "unknown-major"),
        (_message(headers={h.ATTEMPT: "many"}), "undecodable"),
    ],
    ids=["no JSON", "a field missing", "no id", "a bad id", "unknown type", "unknown major", "a bad attempt"],
)
async def test_what_cannot_be_read_is_a_dead_letter_at_once(
    specimen: Specimen, message: Outgoing, reason: str
) -> None:
    async with specimen.working():
        await specimen.publish(message)
        [letter] = await _dead(specimen)
        await specimen.write("after")
        assert await _applied(specimen, 1) == [("after", 1)]
    assert letter.headers["t-dead-reason"] == reason
    assert letter.body == message.body


async def test_the_stack_of_a_dead_letter_is_cut_to_its_tail(specimen: Specimen) -> None:
    await specimen.publish(_message())
    [message] = await specimen.take("specimen.every")
    error = RuntimeError("é" * 20_000 + " the end")
    letter = FailureWay("specimen.every", Ladder(("1s",)), "dev").dead_letter(Delivery(message), error, "why")
    headers = letter.properties.headers
    assert headers is not None
    assert len(str(headers["t-dead-stack"]).encode()) <= MAX_STACK_BYTES
    assert str(headers["t-dead-stack"]).rstrip().endswith("the end")
    assert len(str(headers["t-dead-message"])) == 1000


async def test_a_replayed_message_that_is_applied_says_so(specimen: Specimen) -> None:
    """R-SYS-05: `resolved` is the consumer's word, in the transaction that applied the message."""
    replay = str(uuid4())
    message = _message(headers={h.REPLAY_ID: replay})
    async with specimen.working():
        await specimen.publish(message)
        await _applied(specimen, 1)
        await specimen.publish(message)
        told = await eventually(lambda: _resolved(specimen, 2), describe="two words of resolution")
    for body in told:
        assert body["event_id"] == message.properties.message_id
        assert body["consumer"] == "specimen.every"
        assert body["replay_id"] == replay
    assert len(await specimen.effects()) == 1


async def _resolved(specimen: Specimen, count: int) -> Any:
    rows = await specimen.query(
        "select convert_from(payload, 'UTF8')::jsonb from outbox_event "
        "where event_type like '%dead_letter_resolved.v1'"
    )
    assert len(rows) == count, rows
    return [row[0] for row in rows]


async def test_a_replay_that_fails_again_says_nothing(specimen: Specimen) -> None:
    body = b'{"note_id": "x", "says": "permanent"}'
    replay = str(uuid4())
    async with specimen.working():
        await specimen.publish(_message(body, {h.REPLAY_ID: replay}))
        [letter] = await _dead(specimen)
    assert letter.headers["t-replay-id"] == replay
    await _resolved(specimen, 0)


async def test_the_operators_switch_makes_a_consumer_fail_for_good(specimen: Specimen) -> None:
    await specimen.execute(
        "insert into consumer_fault values ('specimen.every', 'shelf is locked', true, null)"
    )
    async with specimen.working():
        await specimen.write("a")
        [letter] = await _dead(specimen)
        assert letter.headers["t-dead-reason"] == "failed-on-purpose"
        assert letter.headers["t-dead-message"] == "shelf is locked"
        await specimen.execute("delete from consumer_fault")
        await specimen.write("a")
        assert await _applied(specimen, 1) == [("a", 2)]
    assert await specimen.effects("specimen.newest") == [("a", 1), ("a", 2)]


async def test_the_operators_switch_can_fail_so_many_messages(specimen: Specimen) -> None:
    await specimen.execute("insert into consumer_fault values ('specimen.every', 'twice', false, 2)")
    async with specimen.working():
        await specimen.write("a", "b")
        await _applied(specimen, 2)
    attempts = await specimen.query("select attempt from effect where consumer = 'specimen.every' order by 1")
    assert sum(attempt - 1 for (attempt,) in attempts) == 2
