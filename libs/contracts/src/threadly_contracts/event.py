"""What every event is: an immutable fact with an explicit wire type and the aggregate it is about."""

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

#: `threadly.<owner>.<fact>.v<major>`: written out, never derived, so that renaming a class is free.
TYPE_PATTERN = re.compile(
    r"^threadly\.(?P<owner>[a-z][a-z-]*)\.(?P<fact>[a-z][a-z_]*)\.v(?P<major>[1-9]\d*)$"
)


class EventDefinitionError(TypeError):
    """An event class whose declaration breaks the rules; raised at import, so it never ships."""


class Payload(BaseModel):
    """A part of an event's body.

    Producers validate strictly; readers ignore fields they do not know, so that adding an optional
    field never needs two deployments at once.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def owner_of(event_type: str) -> str:
    """The service that publishes events of a wire type, `threadly.<owner>.<fact>.v<major>`."""
    return event_type.split(".")[1]


class Event(Payload):
    """A fact that a service publishes.

    A subclass names its wire type, the kind of aggregate, and the field that identifies it::

        class ProductSold(Event, type="threadly.catalog.product_sold.v1", aggregate="product", subject="id"):

    Raises `EventDefinitionError` at class creation when one of them is missing or malformed.
    """

    type: ClassVar[str]
    aggregate: ClassVar[str]
    subject_field: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Pydantic reads the class line's words below, once the fields are known.
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        type: str = "",  # noqa: A002 - CloudEvents' own word
        aggregate: str = "",
        subject: str = "",
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not TYPE_PATTERN.match(type):
            msg = f"{cls.__name__}: type {type!r} is not of the form threadly.<owner>.<fact>.v<major>"
            raise EventDefinitionError(msg)
        if not aggregate:
            msg = f"{cls.__name__}: the kind of aggregate is missing"
            raise EventDefinitionError(msg)
        if subject not in cls.model_fields:
            msg = f"{cls.__name__}: subject {subject!r} is not one of its fields"
            raise EventDefinitionError(msg)
        cls.type, cls.aggregate, cls.subject_field = type, aggregate, subject

    @property
    def subject(self) -> str:
        """The id of the aggregate the event is about; events of one subject keep their order."""
        return str(getattr(self, self.subject_field))

    @classmethod
    def routing_key(cls) -> str:
        """The broker's routing key: the type without its leading `threadly.`."""
        return cls.type.removeprefix("threadly.")

    @classmethod
    def owner(cls) -> str:
        """The service that publishes it."""
        return owner_of(cls.type)

    @classmethod
    def major(cls) -> int:
        """The major version; a reader refuses one it does not know."""
        return int(cls.type.rsplit(".v", 1)[1])
