"""Which events exist: wire type to class."""

from collections.abc import Iterable, Iterator

from .event import Event, EventDefinitionError
from .upcasting import UPCASTERS


class UnknownEventType(LookupError):
    """No event of that type is known here; the message belongs in the dead letters, not in a loop."""


class Registry:
    """An immutable table from wire type to event class.

    Raises `EventDefinitionError` when two classes claim one type.
    """

    def __init__(self, events: Iterable[type[Event]]) -> None:
        self._by_type: dict[str, type[Event]] = {}
        for event in events:
            taken = self._by_type.setdefault(event.type, event)
            if taken is not event:
                msg = f"{event.__name__} and {taken.__name__} both claim {event.type}"
                raise EventDefinitionError(msg)

    def __getitem__(self, event_type: str) -> type[Event]:
        """Return the class of a wire type; raises `UnknownEventType`."""
        try:
            return self._by_type[event_type]
        except KeyError:
            raise UnknownEventType(event_type) from None

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(sorted(self._by_type.values(), key=lambda event: event.type))

    def __len__(self) -> int:
        return len(self._by_type)

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._by_type


def published_events() -> Registry:
    """Return every public event, in one registry; raises `EventDefinitionError` for a gap between majors."""
    from . import auth, catalog, messaging, operations, orders, search_indexer  # noqa: PLC0415 - they import Event

    modules = (auth, catalog, messaging, operations, orders, search_indexer)
    registry = Registry(event for module in modules for event in module.EVENTS)
    UPCASTERS.check(registry)
    return registry
