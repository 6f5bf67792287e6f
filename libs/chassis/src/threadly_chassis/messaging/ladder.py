"""The wait ladder: how long a message waits before its next try, and where."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_STEP = re.compile(r"^(\d+)(ms|s|m|h)$")
_UNIT_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class LadderError(ValueError):
    """A ladder that cannot be climbed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One wait: its name as in settings (`30s`), which is also in the wait queue's name."""

    name: str
    milliseconds: int

    def jittered(self) -> int:
        """A wait in [X/2, X]: spread out, yet never longer than the queue's bound.

        A message at the head of a wait queue blocks those behind it, so each one's bound is that of all.
        """
        return random.randint((self.milliseconds + 1) // 2, self.milliseconds)  # noqa: S311 - no secret


class Ladder:
    """The steps, shortest first; raises `LadderError` for anything else."""

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = tuple(map(self._parse, steps))
        waits = [step.milliseconds for step in self.steps]
        if waits != sorted(set(waits)):
            raise LadderError(f"the steps {', '.join(steps)} do not grow")

    @staticmethod
    def _parse(text: str) -> Step:
        found = _STEP.match(text.strip())
        if not found or not int(found[1]):
            raise LadderError(f"{text!r} is not a wait such as 500ms, 5s, 2m or 1h")
        return Step(text.strip(), int(found[1]) * _UNIT_MILLISECONDS[found[2]])

    def after(self, attempt: int) -> Step | None:
        """The wait that follows the failed `attempt` (1 is the first); None when all have been used up."""
        return self.steps[attempt - 1] if attempt <= len(self.steps) else None
