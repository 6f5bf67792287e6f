"""The parked tail of strict streams: applied when its turn has come, in order, by the lanes' own machinery.

It looks when a stream moved in this process, and once a second: whoever committed the head may have died
before it could go on, and a discarded head says nothing in this process.
"""

import asyncio
from collections.abc import Sequence

from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import EVENTS_PARKED, STREAM_GAPS, STREAMS_BLOCKED
from ..tasks import only_own_cancellation
from .breaker import Pausing
from .connection import BROKER_ERRORS
from .delivery import Delivery
from .fault_points import STREAM_BEFORE_PARKED, fault_point
from .gaps import GapWatch
from .parked import ParkedEvents
from .processor import DatabaseAway, Processor, ProcessorTools
from .publisher import Refused
from .subscriptions import AnyConsumer

_log = get_logger(__name__)


class Tail:
    """Keeps one consumer's parked streams going until it is told to drain."""

    def __init__(
        self,
        consumer: AnyConsumer,
        parked: ParkedEvents,
        gaps: GapWatch,
        *,
        sweep_every: float,
    ) -> None:
        self._name = consumer.name
        self._consumer = consumer
        self._parked = parked
        self._gaps = gaps
        self._sweep_every = sweep_every
        self._woken = asyncio.Event()
        self._ending = False

    def wake(self) -> None:
        """Look at once: a stream moved, and something is parked in it."""
        self._woken.set()

    def drain(self) -> None:
        """Begin nothing more; `run` returns."""
        self._ending = True
        self._woken.set()

    async def run(self, tools: ProcessorTools) -> None:
        """Look and go on until drained; no error ends it."""
        processor = Processor(self._consumer, tools, settle=_nothing_to_acknowledge, reject=_cannot_reject)
        while not self._ending:
            try:
                with only_own_cancellation():
                    await self._sweep(processor)
            except (DatabaseAway, Pausing, *BROKER_ERRORS) as error:
                _log.warning("parked streams wait", consumer=self._name, error=repr(error.__cause__ or error))
            except Exception as error:  # noqa: BLE001 - the supervisor: parked streams outlive any surprise
                capture(error, kind="consumer", consumer=self._name)
            await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._sweep_every):
                await self._woken.wait()
        except TimeoutError:
            pass
        if not self._ending:
            self._woken.clear()

    async def _sweep(self, processor: Processor) -> None:
        for stream in await self._parked.waiting():
            if self._ending:
                return
            if not stream.may_go_on:
                await self._gaps.look_at(stream)
                continue
            run = await self._parked.begin_run(stream)
            fault_point(STREAM_BEFORE_PARKED)
            await processor.process(run)
        blocked, parked, gaps = await self._parked.counts()
        STREAMS_BLOCKED.labels(self._name).set(blocked)
        EVENTS_PARKED.labels(self._name).set(parked)
        STREAM_GAPS.labels(self._name).set(gaps)


async def _nothing_to_acknowledge(_: Sequence[Delivery]) -> None:
    """A parked event leaves its table in the transaction that applies it, or that makes it the head."""


async def _cannot_reject(delivery: Delivery) -> None:
    """The dead letter was refused: the event stays parked and is tried again."""
    raise Refused(f"no dead letter for the parked event {delivery.message.message_id}")
