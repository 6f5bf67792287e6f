"""Asking consumers for rehearsals, a few letters in flight at a time."""

import asyncio
import struct
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, cast

from aio_pika.abc import AbstractIncomingMessage
from aiormq.channel import Channel
from aiormq.exceptions import PublishError
from pydantic import ValidationError

from ..errors import Unavailable
from ..ids import new_id
from ..observability.logging import get_logger
from .connection import BROKER_ERRORS, BrokerConnection
from .gathering import StoredMessage
from .publisher import Outgoing
from .rehearsal import REPLY_TO, Rehearsal, RehearsalOutcome, request
from .subscriptions import service_of
from .wire import content_frames

#: Seconds without any answer after which nobody is believed to answer: more than one handler may take.
PATIENCE = 15.0
#: Letters that are asked about at once: enough for several workers, too few to keep one of them long.
_IN_FLIGHT = 4

_log = get_logger(__name__)


class Letter(NamedTuple):
    """A dead letter, and the consumer that gave it up."""

    consumer: str
    message: StoredMessage


class BrokerAway(Unavailable):
    """Without the broker nobody can be asked for a rehearsal."""

    code = "broker_away"
    title = "The broker does not answer"


class Asker:
    """Asks for rehearsals over channels of its own."""

    def __init__(self, connection: BrokerConnection, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._patience = patience

    async def ask(
        self, letters: Sequence[Letter], *, silent: set[str] | None = None, seconds: float = 3600
    ) -> list[Rehearsal]:
        """Return what the consumers say, in the order of the letters; raises `BrokerAway`.

        Each letter is rehearsed by itself, as if the others were not there. Where no answer comes for
        `patience` seconds, the letters in question and what follows for their services are `UNANSWERED`;
        these services are added to `silent`, to whom nothing is asked. So is what is left after `seconds`.
        """
        if not letters:
            return []
        try:
            connection = await self._connection.get()
            async with connection.channel(on_return_raises=True) as channel:
                answers: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
                replies = await channel.get_queue(REPLY_TO, ensure=False)
                await replies.consume(answers.put, no_ack=True)
                underlay = cast("Channel", await channel.get_underlay_channel())
                asking = _Asking(underlay, answers, letters, self._patience, silent)
                return await asking.run(asyncio.get_running_loop().time() + seconds)
        except BROKER_ERRORS as error:
            raise BrokerAway(type(error).__name__, retry_after=5) from error


class _Asking:
    """One run over letters: what is still to be asked, what is in flight, what was answered."""

    def __init__(
        self,
        channel: Channel,
        answers: asyncio.Queue[AbstractIncomingMessage],
        letters: Sequence[Letter],
        patience: float,
        silent: set[str] | None,
    ) -> None:
        self._channel = channel
        self._answers = answers
        self._letters = letters
        self._patience = patience
        self._to_ask = deque(range(len(letters)))
        self._in_flight: dict[str, int] = {}
        self._answered: dict[int, Rehearsal] = {}
        self._silent = set() if silent is None else silent

    async def run(self, end: float) -> list[Rehearsal]:
        now = asyncio.get_running_loop().time
        while (self._to_ask or self._in_flight) and now() < end:
            while self._to_ask and len(self._in_flight) < _IN_FLIGHT:
                await self._ask(self._to_ask.popleft())
            if self._in_flight:
                await self._hear(end - now())
        return [
            self._answered.get(number) or _too_late(letter.consumer)
            for number, letter in enumerate(self._letters)
        ]

    async def _ask(self, number: int) -> None:
        letter, asked = self._letters[number], new_id()
        if service_of(letter.consumer) in self._silent:
            self._answered[number] = _unanswered(letter.consumer)
            return
        outgoing = request(
            letter.message, consumer=letter.consumer, rehearsal_id=asked, patience=self._patience * _IN_FLIGHT
        )
        try:
            await self._publish(outgoing)
        except PublishError:
            # There is no such queue: no worker that knows rehearsals has ever run.
            self._give_up_on(number)
        except (ValueError, TypeError, struct.error) as error:
            self._answered[number] = Rehearsal(
                consumer=letter.consumer,
                outcome=RehearsalOutcome.REFUSED,
                reason="unsendable",
                message=f"it cannot be put on the wire, and so not be replayed: {error}",
            )
        else:
            self._in_flight[str(asked)] = number

    async def _publish(self, message: Outgoing) -> None:
        # Only to see that its header fits into a frame: the broker would hang up on it.
        content_frames(self._channel.number, message.properties, message.body, self._channel.max_content_size)
        await self._channel.basic_publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.routing_key,
            properties=message.properties,
            mandatory=True,
            timeout=self._patience,
        )

    async def _hear(self, left: float) -> None:
        try:
            async with asyncio.timeout(min(self._patience, left)):
                answer = await self._answers.get()
        except TimeoutError:
            if left < self._patience:
                return
            for number in self._in_flight.values():
                self._give_up_on(number)
            self._in_flight.clear()
            return
        asked = answer.correlation_id or ""
        if asked in self._in_flight:
            number = self._in_flight.pop(asked)
            self._answered[number] = _read(answer.body, self._letters[number].consumer)

    def _give_up_on(self, number: int) -> None:
        consumer = self._letters[number].consumer
        self._silent.add(service_of(consumer))
        self._answered[number] = _unanswered(consumer)


def _unanswered(consumer: str) -> Rehearsal:
    return Rehearsal(
        consumer=consumer,
        outcome=RehearsalOutcome.UNANSWERED,
        message=f"no worker of {service_of(consumer)} has answered",
    )


def _too_late(consumer: str) -> Rehearsal:
    return Rehearsal(
        consumer=consumer,
        outcome=RehearsalOutcome.UNANSWERED,
        reason="out-of-time",
        message="there was no time left for it",
    )


def _read(body: bytes, consumer: str) -> Rehearsal:
    try:
        return Rehearsal.model_validate_json(body)
    except ValidationError:
        # A worker of another release: what it says is not understood, and nothing has happened.
        _log.warning("rehearsal's answer cannot be read", consumer=consumer)
        return Rehearsal(
            consumer=consumer,
            outcome=RehearsalOutcome.REFUSED,
            reason="unreadable-answer",
            message="the worker's answer cannot be read; is it of another release?",
        )
