"""Rehearsals over the broker: who asks, who answers, and who does not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pamqp import commands as spec

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.asking import Asker, BrokerAway, Letter
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.messaging.rehearsal import RehearsalOutcome, request
from threadly_chassis.testing import eventually
from threadly_chassis.testing.rehearsals import letter_of
from threadly_chassis.testing.specimen.harness import Processes, Specimen
from threadly_chassis.testing.specimen.service import NoteWritten

pytestmark = pytest.mark.integration

EVERY = "specimen.every"
Outcome = RehearsalOutcome


@pytest.fixture
async def asker(vhost: str) -> AsyncIterator[Asker]:
    connection = BrokerConnection(vhost, "test asker")
    yield Asker(connection, patience=2)
    await connection.close()


def _note(says: str = "", note: str = "a") -> StoredMessage:
    return letter_of(NoteWritten(note_id=note, says=says))


async def _outcomes(asker: Asker, *letters: Letter) -> list[Outcome]:
    return [said.outcome for said in await asker.ask(letters)]


async def test_workers_answer_for_their_consumers(specimen: Specimen, asker: Asker) -> None:
    """F42: many at once, to two workers; each answer belongs to its letter, and nothing is applied."""
    assert await asker.ask([]) == []
    letters = [Letter(EVERY, _note("fail" if number % 3 == 0 else "")) for number in range(30)]
    letters += [Letter("specimen.outside", _note()), Letter("specimen.nobody", _note())]
    async with specimen.working(), specimen.working():
        said = await asker.ask(letters)
    assert [each.consumer for each in said] == [letter.consumer for letter in letters]
    expected = [Outcome.FAILED, Outcome.WOULD_APPLY, Outcome.WOULD_APPLY] * 10
    assert [each.outcome for each in said] == [*expected, Outcome.WOULD_APPLY, Outcome.REFUSED]
    assert await specimen.effects() == await specimen.effects("specimen.outside") == []
    assert await specimen.query("select 1 from inbox") == []
    assert await specimen.depth("specimen.rehearse") == 0


async def test_who_is_away_is_said_to_be_so_and_does_nothing_later(specimen: Specimen, asker: Asker) -> None:
    """A queue without a worker, a service without a queue; what was asked is not rehearsed for nobody."""
    assert await _outcomes(asker, Letter(EVERY, _note()), Letter("attic.sorter", _note())) == [
        Outcome.UNANSWERED,
        Outcome.UNANSWERED,
    ]
    [said] = await asker.ask([Letter("attic.sorter", _note())])
    assert said.message == "no worker of attic has answered"

    async def dropped() -> bool:
        return await specimen.depth("specimen.rehearse") == 0

    await eventually(dropped, timeout=20, describe="the unanswered request to expire")


async def test_one_service_that_is_away_costs_its_patience_once(specimen: Specimen, asker: Asker) -> None:
    away = [Letter("attic.sorter", _note()) for _ in range(50)]
    async with specimen.working(), asyncio.timeout(10):
        said = await _outcomes(asker, *away, Letter(EVERY, _note()), *away)
    assert said == [Outcome.UNANSWERED] * 50 + [Outcome.WOULD_APPLY] + [Outcome.UNANSWERED] * 50


async def test_it_ends_in_time(specimen: Specimen) -> None:
    """What was answered by then is told; the rest is said not to be."""
    asker = Asker(specimen.broker, patience=30)
    hanging = [Letter(EVERY, _note("hang 60")) for _ in range(9)]
    async with specimen.working(), asyncio.timeout(8):
        said = await asker.ask([Letter(EVERY, _note()), *hanging], seconds=1.5)
        assert [each.outcome for each in said] == [Outcome.WOULD_APPLY] + [Outcome.UNANSWERED] * 9
        assert {each.reason for each in said[1:]} == {"out-of-time"}


async def test_who_was_silent_is_not_asked_again(specimen: Specimen, asker: Asker) -> None:
    silent: set[str] = set()
    for _ in range(3):
        [said] = await asker.ask([Letter(EVERY, _note())], silent=silent)
        assert said.outcome is Outcome.UNANSWERED
    assert silent == {"specimen"}


async def test_without_a_broker_it_says_so() -> None:
    asker = Asker(BrokerConnection("amqp://guest:guest@127.0.0.1:1/", "test"))
    with pytest.raises(BrokerAway):
        await asker.ask([Letter(EVERY, _note())])


async def test_a_letter_that_cannot_be_put_on_the_wire_is_named(specimen: Specimen, asker: Asker) -> None:
    """And costs its neighbours nothing."""
    huge = letter_of(NoteWritten(note_id="a", says=""))
    huge = StoredMessage(huge.properties, {**huge.headers, "x-novel": "n" * 200_000}, huge.body)
    async with specimen.working():
        said = await asker.ask([Letter(EVERY, _note()), Letter(EVERY, huge), Letter(EVERY, _note())])
    assert [each.outcome for each in said] == [Outcome.WOULD_APPLY, Outcome.REFUSED, Outcome.WOULD_APPLY]
    assert said[1].reason == "unsendable"


@pytest.mark.parametrize(
    ("reply_to", "correlation_id"),
    [(None, "1"), ("specimen.every", "1"), ("amq.rabbitmq.reply-to.nonsense", "1"), (None, None)],
)
async def test_a_malformed_request_harms_nobody(
    specimen: Specimen, asker: Asker, reply_to: str | None, correlation_id: str | None
) -> None:
    """An answer goes to whoever asked or nowhere: into a queue it would be a stranger's message."""
    asked = request(_note(), consumer=EVERY, rehearsal_id=new_id(), patience=60)
    asked.properties.reply_to, asked.properties.correlation_id = reply_to, correlation_id
    strange = Outgoing("t.control", "rehearse.specimen", spec.Basic.Properties(message_id="s"), b"\x00")
    async with specimen.working():
        await specimen.publish(asked, strange)
        assert await _outcomes(asker, Letter(EVERY, _note())) == [Outcome.WOULD_APPLY]
    assert await specimen.depth(EVERY) == await specimen.depth("specimen.every.dlq") == 0
    assert await specimen.query("select 1 from inbox") == []


async def test_a_letter_that_kills_its_process_kills_one(
    specimen: Specimen, asker: Asker, processes: Processes
) -> None:
    """It is acknowledged before it is rehearsed; the next worker answers the next question."""
    victim = processes.start()
    await eventually(lambda: _listeners(specimen, 1), timeout=60, describe="the worker")
    assert await _outcomes(asker, Letter(EVERY, _note("die"))) == [Outcome.UNANSWERED]
    await eventually(lambda: victim.poll() is not None, describe="its death")
    async with specimen.working():
        assert await _outcomes(asker, Letter(EVERY, _note())) == [Outcome.WOULD_APPLY]
    assert await specimen.effects() == []


async def _listeners(specimen: Specimen, count: int) -> bool:
    async with (await specimen.broker.get()).channel() as channel:
        declared = await channel.declare_queue("specimen.rehearse", passive=True)
    return declared.declaration_result.consumer_count == count
