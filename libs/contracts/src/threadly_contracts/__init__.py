"""The events that Threadly's services publish: the one thing they share.

To add an event: (1) write its class in the file of the service that publishes it, past tense, with its
wire type in the class line; (2) add a golden payload to `tests/golden/`; (3) `make documents` to renew the
schemas, the AsyncAPI document and the event map; (4) name it in a `subscriptions.py`. A published version
only ever gains optional fields; anything else is a new class with the next major version, and an `upcaster`
next to the old class, which takes a `V<major>` into its name.
"""

from .event import Event, EventDefinitionError, Payload, owner_of
from .registry import Registry, UnknownEventType, published_events
from .upcasting import UPCASTERS, UpcastError, Upcasters, upcaster
from .values import Currency, Money

__all__ = [
    "UPCASTERS",
    "Currency",
    "Event",
    "EventDefinitionError",
    "Money",
    "Payload",
    "Registry",
    "UnknownEventType",
    "UpcastError",
    "Upcasters",
    "owner_of",
    "published_events",
    "upcaster",
]
