"""A circuit breaker: after some failures in a row nobody asks for a while, and then one does."""

import time


class Breaker:
    """Opens after `failures` in a row, for `pause` seconds; then one call tries, the others are refused."""

    def __init__(self, failures: int = 3, pause: float = 2.0) -> None:
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._retry_at = 0.0

    def allows(self) -> bool:
        """Whether to call now."""
        if self._failures < self._limit:
            return True
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause
        return True

    def succeeded(self) -> None:
        """The call was answered, if only with a refusal."""
        self._failures = 0

    def failed(self) -> None:
        """The call was not answered."""
        self._failures += 1
        self._retry_at = time.monotonic() + self._pause
