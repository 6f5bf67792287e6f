"""Reading yesterday's major version: pure functions from one major of an event to the next.

Written next to the old class, in the file of the service that publishes it::

    class ProductSoldV1(Event, type="threadly.catalog.product_sold.v1", …): …
    class ProductSold(Event, type="threadly.catalog.product_sold.v2", …): …

    @upcaster
    def _with_currency(old: ProductSoldV1) -> ProductSold: …

A consumer names the newest class only; what older producers still send, and what history holds, reaches it
through the chain. So producers and consumers of two majors may be deployed in any order but one: readers of
the new major first.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from .event import Event, EventDefinitionError

Function = TypeVar("Function", bound=Callable[[Any], Event])


class UpcastError(ValueError):
    """An upcaster failed on an event, or made of it one about something else."""


@dataclass(frozen=True, slots=True)
class _Step:
    old: type[Event]
    new: type[Event]
    function: Callable[[Any], Event]


def _stem(event: type[Event]) -> str:
    return event.type.rpartition(".v")[0]


class Upcasters:
    """A table of steps, each from one major version to the next."""

    def __init__(self) -> None:
        self._by_old: dict[str, _Step] = {}
        self._by_new: dict[str, _Step] = {}

    def add(self, function: Function) -> Function:
        """Register a function by its annotations; the decorator.

        Raises `EventDefinitionError` unless it leads from an event to its next major, about the same kind of
        aggregate, as the only one. A step is always one up, so a chain has no cycle.
        """
        step = _step_of(function)
        if step.old.type in self._by_old or step.new.type in self._by_new:
            msg = f"{step.old.type} → {step.new.type}: there is an upcaster already"
            raise EventDefinitionError(msg)
        self._by_old[step.old.type] = self._by_new[step.new.type] = step
        return function

    def older(self, event: type[Event]) -> Iterator[type[Event]]:
        """Every older major that can be read as this one, the nearest first."""
        while step := self._by_new.get(event.type):
            yield step.old
            event = step.old

    def upcast(self, event: Event, wanted: type[Event]) -> Event:
        """Lift an event to the wanted major; one that is of it already is returned as it is.

        Raises `UpcastError` when no chain leads there or a step fails.
        """
        while type(event) is not wanted:
            step = self._by_old.get(event.type)
            if step is None:
                msg = f"no upcaster leads from {event.type} to {wanted.type}"
                raise UpcastError(msg)
            event = _lift(step, event)
        return event

    def newest(self, event: type[Event]) -> type[Event]:
        """The newest major that an event can be lifted to."""
        while step := self._by_old.get(event.type):
            event = step.new
        return event

    def check(self, events: Iterable[type[Event]]) -> None:
        """Raise `EventDefinitionError` unless the majors of each event among these are a whole chain."""
        by_stem: dict[str, list[type[Event]]] = {}
        for event in events:
            by_stem.setdefault(_stem(event), []).append(event)
        for majors in by_stem.values():
            majors.sort(key=lambda event: event.major())
            for old in majors[:-1]:
                step = self._by_old.get(old.type)
                if step is None or step.new not in majors:
                    msg = f"{old.type} has no upcaster to the next major of {_stem(old)}"
                    raise EventDefinitionError(msg)


def _step_of(function: Callable[[Any], Event]) -> _Step:
    hints = get_type_hints(function)
    new = hints.pop("return", None)
    if new is None or len(hints) != 1:
        msg = f"{function.__name__}: an upcaster takes the old event and returns the new one, both annotated"
        raise EventDefinitionError(msg)
    [old] = hints.values()
    if _stem(old) != _stem(new) or new.major() != old.major() + 1 or old.aggregate != new.aggregate:
        msg = f"{function.__name__}: {old.type} → {new.type} is no step to the next major of one event"
        raise EventDefinitionError(msg)
    return _Step(old, new, function)


def _lift(step: _Step, event: Event) -> Event:
    try:
        lifted = step.function(event)
    except Exception as error:
        # Its text may quote values, and values may be personal data.
        msg = f"the upcaster {step.old.type} → {step.new.type} failed: {type(error).__name__}"
        raise UpcastError(msg) from error
    if type(lifted) is not step.new or lifted.subject != event.subject:
        msg = f"the upcaster {step.old.type} → {step.new.type} made something else of {event.subject}"
        raise UpcastError(msg)
    return lifted


#: The one table of this process: contracts fill it as they are imported.
UPCASTERS = Upcasters()
upcaster = UPCASTERS.add
