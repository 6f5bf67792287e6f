"""Values that stay good for some seconds."""

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `limit` values, each for its own time; the oldest entry leaves first.

    `now` is in seconds of a clock that never goes back (`time.monotonic`).
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._entries: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, *, now: float) -> Value | None:
        """The value, if it is still good."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        good_until, value = entry
        if now < good_until:
            return value
        del self._entries[key]
        return None

    def put(self, key: Key, value: Value, *, now: float, seconds: float) -> None:
        """Keep a value for `seconds`."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (now + seconds, value)

    def drop(self, key: Key) -> None:
        """Forget a value."""
        self._entries.pop(key, None)
