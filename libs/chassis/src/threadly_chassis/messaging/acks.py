"""Acknowledging: many deliveries with one frame, where they are a contiguous prefix."""

import asyncio
from collections.abc import Iterable

from aiormq.abc import AbstractChannel


class AckWindow:
    """The delivery tags of one channel that are in hand, in order of delivery.

    Lanes answer one after the other: a lane that waited for the socket with a single tag still to send, while
    another acknowledged everything up to a higher one, sent an unknown tag, and the broker closed the channel
    (406; found by the chaos suite after a broker's restart, when the socket was slow).
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._in_hand: dict[int, None] = {}
        self._answering = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._in_hand)

    def took(self, tag: int) -> None:
        """Note a delivery."""
        self._in_hand[tag] = None

    async def reject(self, tag: int) -> None:
        """Hand a delivery to the broker's own dead-lettering; raises one of `BROKER_ERRORS`."""
        async with self._answering:
            self._in_hand.pop(tag, None)
            await self._channel.basic_reject(tag, requeue=False, wait=False)

    async def settle(self, tags: Iterable[int]) -> None:
        """Acknowledge deliveries that are dealt with; raises one of `BROKER_ERRORS`.

        `multiple` acknowledges every lower tag too, so it is used only up to the first one that is still
        being worked on.
        """
        async with self._answering:
            await self._settle({tag for tag in tags if tag in self._in_hand})

    async def _settle(self, settled: set[int]) -> None:
        prefix = 0
        for tag in self._in_hand:
            if tag not in settled:
                break
            prefix = tag
        for tag in settled:
            del self._in_hand[tag]
        if prefix:
            await self._channel.basic_ack(prefix, multiple=True, wait=False)
        for tag in sorted(tag for tag in settled if tag > prefix):
            await self._channel.basic_ack(tag, wait=False)
