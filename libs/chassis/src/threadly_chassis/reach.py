"""How far a service's dependencies reach, said once where they are declared.

::

    @dataclass(frozen=True)
    class PostOfficeDeps:
        settings: PostOfficeSettings
        db: Database
        clock: Clock
        stamps: Inside[StampRules]
        carrier: Outside[Carrier]

A rehearsal (`messaging.rehearsing`) runs a handler with every `Outside` replaced by a stub. The settings, the
database and the clock need no mark; another field without one makes it refuse, so that nobody adds a port
which a rehearsal would really call.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Annotated, Any, TypeVar


class Reach(Enum):
    """Whether what a dependency does is undone with the transaction."""

    INSIDE = auto()
    """It changes nothing, wherever it is used."""
    OUTSIDE = auto()
    """It does something that no rollback undoes: a provider's client, a cache, the process's own memory."""


T = TypeVar("T")
Inside = Annotated[T, Reach.INSIDE]
Outside = Annotated[T, Reach.OUTSIDE]

_ANSWER = "__answer_in_rehearsal__"
Method = TypeVar("Method", bound=Callable[..., Any])


def answers_in_rehearsal(answer: Any) -> Callable[[Method], Method]:
    """Mark a port's method with what its stub returns: an answer that decides nothing in any handler."""

    def mark(method: Method) -> Method:
        setattr(method, _ANSWER, answer)
        return method

    return mark


def answer_in_rehearsal(method: Callable[..., Any]) -> tuple[Any] | None:
    """What a port's method answers in a rehearsal, in a tuple; None when only the outside knows."""
    if hasattr(method, _ANSWER):
        return (getattr(method, _ANSWER),)
    # A signature that promises nothing: the handler cannot wait for more than the call's end.
    returned = getattr(method, "__annotations__", {}).get("return", Any)
    return (None,) if returned in (None, "None") else None
