"""Takes deliveries to their ends: tries, and the failure way for those whose tries fail.

A batch that fails is rolled back and done again one by one until the guilty message is found: only that one
goes the failure way, its neighbours are applied.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..errors import Permanent, Retryable
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import CONSUMED
from .breaker import Breaker
from .dead_letters import RETRIES_EXHAUSTED, FailureWay, reason_of
from .delivery import Delivery, Received, read
from .fault_points import CONSUMER_AFTER_COMMIT, CONSUMER_AFTER_REPUBLISH, fault_point
from .faults import FaultSwitch
from .handling import Handling
from .outcome import Outcome, outcome_of
from .publisher import Publisher, Refused, Unencodable
from .streams import StreamFull
from .subscriptions import AnyConsumer, Consumer
from .suspects import CrashLoop, Suspects, is_suspect, message_id_of

#: Tries in this process for a local hiccup (deadlock, lock timeout) before the ladder.
_LOCAL_TRIES = 3
_LOCAL_WAIT = (0.05, 1.0)
#: Tries of a batch as a whole; where every message is guilty, more of them would only be repetition.
_BATCH_TRIES = 3

_log = get_logger(__name__)


class DatabaseAway(Exception):
    """The service's database does not answer: whatever is in hand must wait, not be given up."""


@dataclass(frozen=True, slots=True)
class ProcessorTools:
    """What all processors of one consumer share: its lanes' and its parked streams'."""

    handling: Handling
    failures: FailureWay
    publisher: Publisher
    faults: FaultSwitch
    suspects: Suspects
    breaker: Breaker


class Processor:
    """One consumer's way from delivery to acknowledgement.

    `settle` acknowledges a delivery, `reject` hands it to the broker's own dead-lettering.
    """

    def __init__(
        self,
        consumer: AnyConsumer,
        tools: ProcessorTools,
        *,
        settle: Callable[[Sequence[Delivery]], Awaitable[None]],
        reject: Callable[[Delivery], Awaitable[None]],
    ) -> None:
        self._consumer = consumer
        self._handling = tools.handling
        self._failures = tools.failures
        self._publisher = tools.publisher
        self._faults = tools.faults
        self._suspects = tools.suspects
        self._breaker = tools.breaker
        self._settle = settle
        self._reject = reject

    async def process(self, pending: list[Delivery]) -> None:
        """Bring every pending delivery to its end, taking each off the list when it is settled.

        Waits while the consumer is paused. Raises with the rest still on the list: `DatabaseAway`, `Pausing`
        when the pause lasts, or one of `BROKER_ERRORS`.
        """
        tries, together = _BATCH_TRIES, True
        while pending:
            if together and tries and self._fits_together(pending):
                tries, together = tries - 1, False
                if await self._applied_together(pending):
                    fault_point(CONSUMER_AFTER_COMMIT)
                    await self._settle(pending)
                    pending.clear()
                    return
            went_well = await self._bring_one_to_end(pending[0])
            await self._settle([pending[0]])
            del pending[0]
            # The guilty one is out: the others may fit together now.
            together = together or not went_well

    async def _bring_one_to_end(self, delivery: Delivery) -> bool:
        await self._breaker.admit()
        try:
            return await self._bring_to_end(delivery)
        finally:
            self._breaker.settled()

    def _fits_together(self, pending: Sequence[Delivery]) -> bool:
        return (
            len(pending) > 1
            and isinstance(self._consumer, Consumer)
            and not self._breaker.is_open
            and not any(is_suspect(delivery) for delivery in pending)
        )

    async def _applied_together(self, batch: Sequence[Delivery]) -> bool:
        try:
            if await self._faults.is_set(self._consumer.name):
                return False
            ran = await self._handling.apply([read(delivery, self._consumer) for delivery in batch])
        except Exception as error:  # whatever it was, each message will meet it alone
            if outcome_of(error) is Outcome.OUTAGE:
                raise DatabaseAway from error
            _log.info("batch broken up", consumer=self._consumer.name, size=len(batch), error=repr(error))
            return False
        if ran:
            self._breaker.succeeded()
        return True

    async def _bring_to_end(self, delivery: Delivery) -> bool:
        """Whether it went well; otherwise the message went the failure way."""
        if not is_suspect(delivery):
            return await self._try_to_the_end(delivery)
        try:
            async with _telling_outages(), self._suspects.handling(self._consumer.name, delivery):
                return await self._try_to_the_end(delivery)
        except CrashLoop as error:
            await self._give_way(delivery, error, Outcome.DEAD_LETTER)
            async with _telling_outages():
                await self._suspects.end(self._consumer.name, delivery)
            return False

    async def _try_to_the_end(self, delivery: Delivery) -> bool:
        for local_try in range(1, _LOCAL_TRIES + 1):
            try:
                ran = await self._try_once(read(delivery, self._consumer))
            except Exception as error:  # the boundary: outcome_of decides
                outcome = outcome_of(error)
                if outcome is Outcome.OUTAGE:
                    raise DatabaseAway from error
                if outcome is not Outcome.TRY_AGAIN or local_try == _LOCAL_TRIES:
                    await self._give_way(delivery, error, outcome)
                    return False
                await asyncio.sleep(random.uniform(*_LOCAL_WAIT))  # noqa: S311 - spreading load, no secret
            else:
                if ran:
                    self._breaker.succeeded()
                fault_point(CONSUMER_AFTER_COMMIT)
                return True
        return False

    async def _try_once(self, received: Received) -> int:
        if await self._faults.is_set(self._consumer.name):
            await self._faults.trip(self._consumer.name)
        return await self._handling.apply([received])

    async def _give_way(self, delivery: Delivery, error: Exception, outcome: Outcome) -> None:
        try:
            if isinstance(error, StreamFull):
                raise error
            async with _telling_outages(), self._handling.giving_way(delivery) as goes:
                if goes:
                    await self._republish(delivery, error, outcome)
                else:
                    CONSUMED.labels(self._consumer.name, "parked").inc()
        except StreamFull as full:
            await self._postpone(delivery, full)
        fault_point(CONSUMER_AFTER_REPUBLISH)

    async def _republish(self, delivery: Delivery, error: Exception, outcome: Outcome) -> None:
        step = self._failures.next_step(delivery)
        in_outage = self._breaker.is_open
        if in_outage:
            step = step or self._failures.last_step
        if outcome is Outcome.DEAD_LETTER or step is None:
            await self._bury(
                delivery, error, reason_of(error) if isinstance(error, Permanent) else RETRIES_EXHAUSTED
            )
            return
        if not isinstance(error, Retryable):
            capture(error, kind="consumer", consumer=self._consumer.name, attempt=delivery.attempt)
        self._breaker.failed(message_id_of(delivery), error)
        try:
            await self._publisher.publish_one(self._failures.retry(delivery, step, counts=not in_outage))
        except Unencodable:
            # There is no room to count another try: so there is none.
            await self._bury(delivery, error, RETRIES_EXHAUSTED)
            return
        CONSUMED.labels(self._consumer.name, "retry").inc()
        _log.warning(
            "message waits",
            consumer=self._consumer.name,
            message=delivery.message.message_id,
            attempt=delivery.attempt,
            step=step.name,
            error=repr(error),
        )

    async def _postpone(self, delivery: Delivery, full: StreamFull) -> None:
        """Let what no longer fits behind a stream's head wait in the broker, for as often as it takes.

        Pausing the consumer instead would keep out the replay that heals the head.
        """
        step = self._failures.middle_step
        if step is None:
            await self._bury(delivery, full, full.code)
            return
        capture(full, kind="consumer", consumer=self._consumer.name)
        await self._publisher.publish_one(self._failures.retry(delivery, step, counts=False))
        CONSUMED.labels(self._consumer.name, "overfull").inc()

    async def _bury(self, delivery: Delivery, error: Exception, reason: str) -> None:
        capture(error, kind="consumer", consumer=self._consumer.name, attempt=delivery.attempt, reason=reason)
        try:
            await self._publisher.publish_one(self._failures.dead_letter(delivery, error, reason))
        except (Refused, Unencodable) as failed:
            # It cannot be put on the wire or was refused: the broker's own dead-lettering takes it, bare.
            _log.error(
                "dead letter goes without its explanation", consumer=self._consumer.name, error=repr(failed)
            )
            await self._reject(delivery)
        CONSUMED.labels(self._consumer.name, "dead").inc()


@asynccontextmanager
async def _telling_outages() -> AsyncIterator[None]:
    """Name an outage of the database as one, wherever in the block it shows."""
    try:
        yield
    except Exception as error:
        if outcome_of(error) is Outcome.OUTAGE:
            raise DatabaseAway from error
        raise
