"""A replay's terms and ends: its rate, when it stops itself, what became of its letters.

It needs nothing heavy, because the command line's help shows the rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from threadly_chassis.errors import Invalid

DEFAULT_RATE = 200
MAX_RATE = 1000


class RateOutOfBounds(Invalid):
    """A replay's rate is at least one letter a second, and not more than live traffic can stand beside it."""

    code = "rate_out_of_bounds"
    title = f"A replay's rate is 1 to {MAX_RATE} letters a second"


class ReplayStatus(StrEnum):
    """How a replay stands; the last two are ends."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    """Too many letters failed again; what had not been sent was taken back."""
    DONE = "DONE"
    """Every letter's consumer has said how it went."""


class Outcome(StrEnum):
    """What became of one letter in one replay; the first word about it stands."""

    RESOLVED = "RESOLVED"
    FAILED = "FAILED"
    """It came back to the dead letters."""
    WITHDRAWN = "WITHDRAWN"
    """It was not sent before the replay stopped."""


@dataclass(frozen=True, slots=True)
class StopRule:
    """Stop when at least `failures` of the last `window` letters that were heard of failed again.

    A replay of fewer letters than `window` is never stopped: it is over before it could do harm.
    """

    failures: int = 6
    window: int = 50

    def is_broken(self, selected: int, newest: Sequence[Outcome]) -> bool:
        """Whether a replay of `selected` letters must stop; `newest` are its outcomes, the newest first.

        It need not wait for a full window: what has failed would still be in it.
        """
        failed = sum(outcome is Outcome.FAILED for outcome in newest[: self.window])
        return selected >= self.window and failed >= self.failures


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms letters are replayed: letters a second, and when to stop.

    Raises `RateOutOfBounds`.
    """

    rate: int = DEFAULT_RATE
    rule: StopRule = StopRule()

    def __post_init__(self) -> None:
        """Refuse a rate that nobody can mean."""
        if not 1 <= self.rate <= MAX_RATE:
            raise RateOutOfBounds(f"It was to be {self.rate}.")


DEFAULT_TERMS = Terms()
