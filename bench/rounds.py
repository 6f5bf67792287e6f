"""Rounds that take turns, and what is made of them."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One round of one contender: its figure, and what the history says of its events.

    None where a contender keeps no history: a client that only acknowledges cannot tell what it lost.
    """

    figure: float
    lost: int | None = None
    duplicated: int | None = None


Contender = Callable[[], Awaitable[Sample]]


@dataclass(frozen=True)
class Rounds:
    """All rounds of all contenders of one measure; the first contender is ours."""

    samples: Mapping[str, Sequence[Sample]]
    seconds: float

    def figures(self, name: str) -> list[float]:
        """The raw figures of one contender, in order of time."""
        return [sample.figure for sample in self.samples[name]]

    def median(self, name: str) -> float:
        """The middle figure of one contender."""
        return median(self.figures(name))

    def ratio(self, ours: str, baseline: str) -> float:
        """The middle one of the rounds' own ratios: what slows a whole round down cancels out."""
        pairs = zip(self.figures(ours), self.figures(baseline), strict=True)
        return median(mine / theirs for mine, theirs in pairs)

    def lost(self, name: str) -> int | None:
        """Events of a contender that did not arrive, over all rounds; None when it does not count them."""
        return _total([sample.lost for sample in self.samples[name]])

    def duplicated(self, name: str) -> int | None:
        """Events of a contender that came or took effect more than once; None when it does not count them."""
        return _total([sample.duplicated for sample in self.samples[name]])

    @property
    def raw(self) -> dict[str, list[float]]:
        """Every figure by contender."""
        return {name: [round(figure, 4) for figure in self.figures(name)] for name in self.samples}


def _total(counts: Sequence[int | None]) -> int | None:
    counted = [count for count in counts if count is not None]
    return sum(counted) if counted else None


async def take_turns(contenders: Mapping[str, Contender], rounds: int) -> Rounds:
    """Run every contender once a round; each round begins with another one."""
    started = time.monotonic()
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            samples[name].append(await contenders[name]())
    return Rounds(samples, time.monotonic() - started)
