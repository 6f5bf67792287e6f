"""Acknowledging: many deliveries with one frame, where they are a contiguous prefix."""

from collections.abc import Iterable

from aiormq.abc import AbstractChannel


class AckWindow:
    """The delivery tags of one channel that are in hand, in order of delivery."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._in_hand: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._in_hand)

    def took(self, tag: int) -> None:
        """Note a delivery."""
        self._in_hand[tag] = None

    def drop(self, tag: int) -> None:
        """Forget a delivery that was answered in another way (rejected)."""
        self._in_hand.pop(tag, None)

    async def settle(self, tags: Iterable[int]) -> None:
        """Acknowledge deliveries that are dealt with; raises one of `BROKER_ERRORS`.

        `multiple` acknowledges every lower tag too, so it is used only up to the first one that is still
        being worked on.
        """
        settled = {tag for tag in tags if tag in self._in_hand}
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
