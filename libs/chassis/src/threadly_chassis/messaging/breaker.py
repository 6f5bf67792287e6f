"""The circuit breaker of a consumer: when every message fails, the fault is not the messages'.

Ten different messages in a row that failed, with none applied in between, open it: the consumer pauses, what
it has in hand stays in hand, and one message at a time is tried as a probe. A probe that fails waits like any
failed message, only that its try does not count: an outage, however long, uses up nobody's ladder.
"""

import asyncio
import random

from ..observability.logging import get_logger
from ..observability.metrics import CONSUMER_PAUSED

#: One poisoned aggregate or one bad hour of a few messages must not pause the rest.
THRESHOLD = 10
#: Seconds between two probes: doubling from the first to the second, spread by half.
_WAIT = (1.0, 30.0)
#: Seconds that messages stay in hand during a pause; then they go back to the queue.
PATIENCE = 60.0

_log = get_logger(__name__)


class Pausing(Exception):
    """The pause outlasts what is in hand: it goes back to the queue."""


class Breaker:
    """Counts one consumer's failures; shared by its lanes."""

    def __init__(
        self, consumer: str, *, threshold: int = THRESHOLD, waits: tuple[float, float] = _WAIT
    ) -> None:
        self._consumer = consumer
        self._threshold = threshold
        self._waits = waits
        self._failing: set[str] = set()
        self._pause = waits[0]
        self._probe_at = 0.0
        self._probing = False
        self._changed = asyncio.Event()
        self._ending = False
        self.is_open = False

    def succeeded(self) -> None:
        """A handler ran well: whatever was away is back."""
        self._failing.clear()
        if self.is_open:
            _log.warning("consumer goes on", consumer=self._consumer)
            self.is_open = self._probing = False
            self._pause = self._waits[0]
            CONSUMER_PAUSED.labels(self._consumer).set(0)
            self._wake()

    def failed(self, message: str, error: Exception) -> None:
        """A message failed, and may succeed later."""
        self._failing.add(message)
        if self.is_open:
            self._pause = min(self._pause * 2, self._waits[1])
            self._plan_probe()
        elif len(self._failing) >= self._threshold:
            _log.error("consumer pauses: everything fails", consumer=self._consumer, error=repr(error))
            self.is_open = True
            CONSUMER_PAUSED.labels(self._consumer).set(1)
            self._plan_probe()

    def settled(self) -> None:
        """A probe ended and proved nothing: a duplicate, or at fault itself. The next one may go."""
        if self.is_open and self._probing:
            self._plan_probe(0.0)

    def _plan_probe(self, pause: float | None = None) -> None:
        seconds = self._pause * random.uniform(0.5, 1.0) if pause is None else pause  # noqa: S311 - no secret
        self._probe_at = asyncio.get_running_loop().time() + seconds
        self._probing = False
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Let go of everyone who waits: the consumer drains."""
        self._ending = True
        self._wake()

    async def admit(self) -> None:
        """Return at once while closed; while open, to one caller at a time, when a probe is due.

        Raises `Pausing` after `PATIENCE` seconds, or when the consumer drains.
        """
        if not self.is_open:
            return
        give_up_at = asyncio.get_running_loop().time() + PATIENCE
        while self.is_open:
            now = asyncio.get_running_loop().time()
            if self._ending or now >= give_up_at:
                raise Pausing(f"{self._consumer} is paused")
            if not self._probing and now >= self._probe_at:
                self._probing = True
                return
            until = give_up_at if self._probing else min(self._probe_at, give_up_at)
            await self._wait(max(until - now, 0.01))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
