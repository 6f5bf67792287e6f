"""Acknowledging: many deliveries with one frame, where they are a contiguous prefix."""

import asyncio
from collections.abc import Iterable

from aiormq.abc import AbstractChannel

#: Seconds that an acknowledgement may wait for those before it, so that one frame answers for all of them.
#: With two lanes at work every second message had a frame and a write to the socket of its own.
PATIENCE = 0.05


class AckWindow:
    """The delivery tags of one channel that are in hand, in order of delivery.

    Lanes answer one after the other: a lane that waited for the socket with a single tag still to send, while
    another acknowledged everything up to a higher one, sent an unknown tag, and the broker closed the channel
    (406; found by the chaos suite after a broker's restart, when the socket was slow).
    """

    def __init__(self, channel: AbstractChannel, *, patience: float = PATIENCE) -> None:
        self._channel = channel
        self._patience = patience
        self._in_hand: dict[int, bool] = {}
        """By tag: whether it is dealt with, and only its acknowledgement waits."""
        self._answering = asyncio.Lock()
        self._has_waiting = asyncio.Event()

    def __len__(self) -> int:
        return len(self._in_hand)

    def took(self, tag: int) -> None:
        """Note a delivery."""
        self._in_hand[tag] = False

    async def reject(self, tag: int) -> None:
        """Hand a delivery to the broker's own dead-lettering; raises one of `BROKER_ERRORS`."""
        async with self._answering:
            self._in_hand.pop(tag, None)
            await self._channel.basic_reject(tag, requeue=False, wait=False)

    async def settle(self, tags: Iterable[int]) -> None:
        """Acknowledge deliveries that are dealt with; raises one of `BROKER_ERRORS`.

        `multiple` acknowledges every lower tag too, so it is used only up to the first one that is still
        being worked on; those behind it wait for `answer_late`.
        """
        async with self._answering:
            for tag in tags:
                if tag in self._in_hand:
                    self._in_hand[tag] = True
            await self._answer_prefix()
            if any(self._in_hand.values()):
                self._has_waiting.set()

    async def answer_late(self) -> None:
        """Acknowledge, again and again, what waited long enough; raises one of `BROKER_ERRORS`."""
        while True:
            await self._has_waiting.wait()
            await asyncio.sleep(self._patience)
            await self.answer_all()

    async def answer_all(self) -> None:
        """Acknowledge everything that is dealt with; raises one of `BROKER_ERRORS`."""
        async with self._answering:
            self._has_waiting.clear()
            await self._answer_prefix()
            for tag in [tag for tag, is_settled in self._in_hand.items() if is_settled]:
                del self._in_hand[tag]
                await self._channel.basic_ack(tag, wait=False)

    async def _answer_prefix(self) -> None:
        prefix = []
        for tag, is_settled in self._in_hand.items():
            if not is_settled:
                break
            prefix.append(tag)
        for tag in prefix:
            del self._in_hand[tag]
        if prefix:
            await self._channel.basic_ack(prefix[-1], multiple=True, wait=False)
