"""Stops asking a Redis that does not answer, so that not every request waits for its time-out."""

import time

from ..observability.logging import get_logger

log = get_logger(__name__)


class Circuit:
    """Open (do not ask) for `pause` seconds after each failure; says so in the log once per outage."""

    def __init__(self, pause: float = 1.0) -> None:
        self._pause = pause
        self._closed_at = 0.0
        self._failing = False

    @property
    def open(self) -> bool:
        """Whether to leave Redis alone for now."""
        return self._failing and time.monotonic() < self._closed_at

    def failed(self, error: Exception) -> None:
        """Redis did not answer."""
        if not self._failing:
            log.warning("cache_unavailable", error=f"{type(error).__name__}: {error}")
        self._failing = True
        self._closed_at = time.monotonic() + self._pause

    def answered(self) -> None:
        """Redis answered."""
        if self._failing:
            log.info("cache_available_again")
        self._failing = False
