"""The layer in the process (L3): values already decoded, never served without Redis' word.

Redis is still asked, but it answers "same" instead of sending the value when the stamp is the one held
here; so this layer saves the transfer and the decoding, and can never be staler than Redis (ADR 0010).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """A decoded value and the stamp of its fill; no stamp means that nothing is held."""

    stamp: bytes = b""
    value: Any = None


_NOTHING = Held()


class DecodedValues:
    """The most recently used values by key, at most `limit` of them."""

    def __init__(self, limit: int = 512, largest: int = 64 * 1024) -> None:
        self._limit = limit
        self._largest = largest
        self._held: OrderedDict[str, Held] = OrderedDict()

    def get(self, key: str) -> Held:
        """What is held for `key`."""
        if key not in self._held:
            return _NOTHING
        self._held.move_to_end(key)
        return self._held[key]

    def put(self, key: str, held: Held, size: int) -> None:
        """Hold a value whose encoded form has `size` bytes; one over `largest` is not held."""
        self._held.pop(key, None)
        if size > self._largest:
            return
        self._held[key] = held
        if len(self._held) > self._limit:
            self._held.popitem(last=False)
