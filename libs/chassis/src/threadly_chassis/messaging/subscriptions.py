"""The table of what a service listens to: it drives queues, bindings, decoding and the event map."""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from threadly_contracts import UPCASTERS, Event

from .context import Context, EffectContext

_NAME = re.compile(r"^[a-z][a-z-]*\.[a-z][a-z-]*$")
#: `<consumer>.wait.10m` and `.dlq` must stay under AMQP's 255 bytes with room to spare.
_MAX_NAME = 100

Handler = Callable[[Any, Context[Any]], Awaitable[None]]
EffectHandler = Callable[[Any, EffectContext[Any]], Awaitable[None]]


def service_of(consumer: str) -> str:
    """The service whose worker runs a consumer, by its name."""
    return consumer.partition(".")[0]


class SubscriptionError(TypeError):
    """A table that cannot be run; raised when it is built, so it never ships."""


class Gate(Enum):
    """How a consumer treats the order of one aggregate's events."""

    NONE = "none"
    """Every event once, in any order."""
    LATEST = "latest"
    """An event older than the newest one applied is a quiet success; gaps are jumped."""
    STRICT = "strict"
    """Contiguous versions from 1 on: whatever comes after a failed or a missing event waits for it.

    For readers to whom each step matters. They handle every event of the aggregates that they read: a version
    that is not for them costs a question to its owner. What one aggregate's events wait for, others do not.
    """


def _older_majors(handled: Collection[type[Event]]) -> dict[str, tuple[type[Event], type[Event]]]:
    """What can be read besides: wire type to the class it is decoded into and the handled one above it."""
    lifted: dict[str, tuple[type[Event], type[Event]]] = {}
    for event in handled:
        for old in UPCASTERS.older(event):
            if old in handled:
                break
            lifted[old.type] = (old, event)
    return lifted


class AnyConsumer:
    """What both kinds of consumer have: a name (which is the queue's) and a handler per event class."""

    #: How many of its messages may be in hand at once, each lane serial within itself.
    lanes: int
    #: Whether `threadly rebuild` may send it its owners' history again.
    rebuildable: bool = False

    def __init__(
        self, name: str, *, handlers: Mapping[type[Event], Callable[[Any, Any], Awaitable[None]]], lanes: int
    ) -> None:
        if not _NAME.match(name) or len(name) > _MAX_NAME:
            raise SubscriptionError(
                f"{name!r}: a consumer is named <service>.<purpose>, lower case with hyphens"
            )
        if not handlers:
            raise SubscriptionError(f"{name}: handles nothing")
        if lanes < 1:
            raise SubscriptionError(f"{name}: needs at least one lane")
        self.name = name
        self.lanes = lanes
        self.handlers = dict(handlers)
        self._by_type: dict[str, type[Event]] = {}
        for event in handlers:
            if self._by_type.setdefault(event.type, event) is not event:
                raise SubscriptionError(f"{name}: two classes claim {event.type}")
        self._lifted = _older_majors(handlers)

    def classes_of(self, event_type: str) -> tuple[type[Event], type[Event]] | None:
        """The class that a wire type is decoded into, and the one that its handler takes.

        They differ for an older major, which is upcast. None when this consumer does not handle the type.
        """
        handled = self._by_type.get(event_type)
        return (handled, handled) if handled else self._lifted.get(event_type)

    @property
    def event_types(self) -> list[str]:
        """Every wire type that it can read, sorted: those it handles, and the older majors of them."""
        return sorted({*self._by_type, *self._lifted})

    def knows_another_major_of(self, event_type: str) -> bool:
        """Whether the type differs only in its major version from one that is handled."""
        stem = event_type.rpartition(".v")[0]
        return any(known.rpartition(".v")[0] == stem for known in self._by_type)

    @property
    def routing_keys(self) -> list[str]:
        """The keys its queue is bound by, sorted."""
        return [event_type.removeprefix("threadly.") for event_type in self.event_types]


class Consumer(AnyConsumer):
    """Handlers that change this service's database.

    Their writes, their own events and the inbox mark commit together.

    No network call belongs in such a handler: it would hold the transaction open.

    `rebuildable` promises that its events carry the whole state of their aggregate and that applying the
    newest one again changes nothing, so that history can be sent again while live events come.
    """

    def __init__(
        self,
        name: str,
        *,
        handlers: Mapping[type[Event], Handler],
        gate: Gate = Gate.NONE,
        lanes: int = 2,
        rebuildable: bool = False,
    ) -> None:
        super().__init__(name, handlers=handlers, lanes=lanes)
        if gate is Gate.STRICT:
            self._check_owners()
        if rebuildable and gate is not Gate.LATEST:
            raise SubscriptionError(f"{name}: only a reader with Gate.LATEST can be rebuilt")
        self.gate = gate
        self.rebuildable = rebuildable

    def _check_owners(self) -> None:
        """A strict stream has one log to ask for what is missing."""
        owners: dict[str, str] = {}
        for event in self.handlers:
            owner = owners.setdefault(event.aggregate, event.owner())
            if owner != event.owner():
                raise SubscriptionError(
                    f"{self.name}: {owner} and {event.owner()} both count versions of {event.aggregate}"
                )


class EffectConsumer(AnyConsumer):
    """Handlers with an effect outside the database: at least once, so the effect must be idempotent."""

    def __init__(self, name: str, *, handlers: Mapping[type[Event], EffectHandler], lanes: int = 8) -> None:
        super().__init__(name, handlers=handlers, lanes=lanes)


class Subscriptions:
    """Every consumer of one service.

    Raises `SubscriptionError` for a name given twice or belonging to another service.
    """

    def __init__(self, service: str, *consumers: AnyConsumer) -> None:
        self.service = service
        self.consumers: tuple[AnyConsumer, ...] = consumers
        names = [consumer.name for consumer in consumers]
        for name in names:
            if names.count(name) > 1:
                raise SubscriptionError(f"{name}: named twice")
            if not name.startswith(f"{service}."):
                raise SubscriptionError(f"{name}: does not belong to {service}")

    def __iter__(self) -> Iterator[AnyConsumer]:
        return iter(self.consumers)

    def __getitem__(self, name: str) -> AnyConsumer:
        """The consumer of that name; raises `KeyError`."""
        for consumer in self.consumers:
            if consumer.name == name:
                return consumer
        raise KeyError(name)

    @property
    def event_types(self) -> Iterable[str]:
        """Every wire type that is listened to."""
        return sorted({event.type for consumer in self.consumers for event in consumer.handlers})
