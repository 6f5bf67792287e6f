"""The history checker: what was appended, published, delivered and applied, against what was promised.

Sets and sequences, not counts: three duplicates and three losses make a passing count (eventing §5). The logs
come from different places that no fault can make agree by chance: the outbox' own history, a queue that
sees all that is published, a file of each delivery, and a table of effects without any constraint.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
from uuid import UUID


class Fact(NamedTuple):
    """One event as a log names it."""

    event_id: UUID
    aggregate: str
    version: int


class Order(Enum):
    """What order a consumer promises for the effects on one aggregate."""

    ANY = "any"
    """Every event has its effect, in any order."""
    RISING = "rising"
    """Versions only rise: an event older than one applied is passed over for good."""


@dataclass(frozen=True)
class ConsumerLog:
    """What happened to one consumer's events, each log in the order of its happening."""

    applied: Sequence[Fact]
    delivered: Sequence[Fact] = ()
    places: Mapping[str, Collection[UUID]] = field(default_factory=dict)
    """Where else events lie that were not lost: queue, wait queues, dead letters, parked."""
    order: Order = Order.ANY
    exactly_once: bool = True
    """False for effects outside the database, which are promised at least once."""


@dataclass(frozen=True)
class Violation:
    """A promise broken: which invariant of eventing §5, and by what."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True)
class History:
    """All logs of one run, after it has come to rest."""

    appended: Sequence[Fact]
    """Committed events, in the order of their outbox ids."""
    pending: Collection[UUID]
    published: Sequence[Fact]
    """What the broker was given, repeats included."""
    consumers: Mapping[str, ConsumerLog]
    lag_seconds: float = 0.0
    """From the end of the last fault until nothing was under way any more."""
    lag_bound: float = 30.0

    def violations(self) -> list[Violation]:
        """Every promise that was broken."""
        return [
            Violation(invariant, what)
            for invariant, check in (
                ("I1", self._losses),
                ("I2", self._doubles),
                ("I3", self._disorder),
                ("I4", self._ghosts),
                ("I4", self._shortcuts),
                ("I5", self._lag),
            )
            for what in check()
        ]

    def verify(self) -> None:
        """Raise `AssertionError` with every violation."""
        broken = self.violations()
        if broken:
            shown = "\n".join(map(str, broken[:20]))
            raise AssertionError(f"{len(broken)} promises broken:\n{shown}")

    def summary(self) -> dict[str, int]:
        """Counts for a person to read; a run that did nothing would keep every promise."""
        repeats = sum(Counter(fact.event_id for fact in self.published).values()) - len(
            {fact.event_id for fact in self.published}
        )
        counts = {"appended": len(self.appended), "published": len(self.published), "repeated": repeats}
        for name, log in self.consumers.items():
            counts[f"{name} delivered"] = len(log.delivered)
            counts[f"{name} applied"] = len(log.applied)
        return counts

    def _losses(self) -> Iterable[str]:
        pending = set(self.pending)
        for name, log in self.consumers.items():
            held = pending.union(_ids(log.applied), *log.places.values())
            newest = _newest(log.applied) if log.order is Order.RISING else {}
            for fact in self.appended:
                if fact.event_id not in held and fact.version >= newest.get(fact.aggregate, 0):
                    yield f"{name} lost {_shown(fact)}"

    def _doubles(self) -> Iterable[str]:
        for name, log in self.consumers.items():
            for fact, times in Counter(log.applied).items():
                if times > 1 and log.exactly_once:
                    yield f"{name} applied {_shown(fact)} {times} times"

    def _disorder(self) -> Iterable[str]:
        yield from self._published_early()
        for name, log in self.consumers.items():
            if log.order is not Order.RISING:
                continue
            seen: dict[str, int] = {}
            for fact in log.applied:
                if fact.version <= seen.get(fact.aggregate, 0):
                    yield f"{name} applied {_shown(fact)} after version {seen[fact.aggregate]}"
                seen[fact.aggregate] = max(fact.version, seen.get(fact.aggregate, 0))

    def _published_early(self) -> Iterable[str]:
        """Find events that first reached the broker before their predecessors; repeats prove nothing."""
        awaited = defaultdict(list)
        for fact in sorted(self.appended, key=lambda fact: fact.version, reverse=True):
            awaited[fact.aggregate].append(fact)
        seen: set[UUID] = set()
        for fact in self.published:
            line = awaited[fact.aggregate]
            if fact.event_id in seen or not line:
                continue
            seen.add(fact.event_id)
            if line[-1].event_id == fact.event_id:
                line.pop()
            elif fact in line:
                yield f"{_shown(fact)} was published before version {line[-1].version}"
                line.remove(fact)

    def _ghosts(self) -> Iterable[str]:
        real = _ids(self.appended)
        logs: dict[str, Iterable[UUID]] = {"published": _ids(self.published)}
        for name, log in self.consumers.items():
            logs[f"{name} delivered"] = _ids(log.delivered)
            logs[f"{name} applied"] = _ids(log.applied)
            logs |= {f"{name} {place}": ids for place, ids in log.places.items()}
        for log_name, ids in logs.items():
            for ghost in set(ids) - real:
                yield f"{log_name}: {ghost} was never committed"

    def _shortcuts(self) -> Iterable[str]:
        """Find events that are in a log and not in the one before it, where that one was kept."""
        real = _ids(self.appended)
        published = _ids(self.published)
        for name, log in self.consumers.items():
            delivered, applied = _ids(log.delivered), _ids(log.applied)
            if not delivered:
                continue
            for event_id in (delivered & real) - published:
                yield f"{name} was delivered {event_id}, which was never published"
            for event_id in (applied & real) - delivered:
                yield f"{name} applied {event_id}, which was never delivered to it"

    def _lag(self) -> Iterable[str]:
        if self.lag_seconds > self.lag_bound:
            yield f"at rest {self.lag_seconds:.1f} s after the last fault, {self.lag_bound:g} s are allowed"


def _ids(facts: Iterable[Fact]) -> set[UUID]:
    return {fact.event_id for fact in facts}


def _newest(facts: Iterable[Fact]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for fact in facts:
        newest[fact.aggregate] = max(fact.version, newest.get(fact.aggregate, 0))
    return newest


def _shown(fact: Fact) -> str:
    return f"{fact.aggregate} version {fact.version} ({fact.event_id})"
