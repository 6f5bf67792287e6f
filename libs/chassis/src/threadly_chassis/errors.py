"""Every error that Threadly raises on purpose, by kind.

::

    ThreadlyError
    ├── Invalid              422  the request says something that cannot be meant
    ├── Unauthenticated      401  nobody knows who is asking
    ├── Forbidden            403  they may not
    ├── NotFound             404  it is not there, or not for them to see
    ├── Conflict             409  it cannot be done now
    ├── PreconditionFailed   412  it changed since they looked (RFC 9110 If-Match)
    ├── PreconditionRequired 428  they must say what they looked at (RFC 6585)
    ├── TooManyRequests      429  later
    ├── Unavailable          503  something we need is away; later
    │   └── Busy                  it met somebody else's change; again, at once
    ├── Retryable            a message handler's "not yet": the wait ladder
    └── Permanent            a message handler's "never": the dead letters

A named fact is a subclass that sets `code` (stable, part of the API) and `title`::

    class ItemReserved(Conflict):
        code = "item_reserved"
        title = "Somebody else is buying this item"

    raise ItemReserved("It may become free at 12:15.", retry_after=900)

Only `threadly_chassis.http.problems` turns a kind into a status.
"""

from typing import Any, ClassVar

#: What a problem document says anyway (RFC 9457 §3.1, and ours).
_PROBLEM_MEMBERS = {"type", "code", "title", "status", "instance", "request_id", "headers"}


class ThreadlyError(Exception):
    """The root: carries a detail for people and extras for programs."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", **extras: Any) -> None:
        """Raise `TypeError` for an extra that would overwrite a member of the problem document."""
        if taken := _PROBLEM_MEMBERS & extras.keys():
            msg = f"{type(self).__name__}: {', '.join(sorted(taken))} cannot be an extra"
            raise TypeError(msg)
        super().__init__(detail or self.title)
        self.detail = detail
        self.extras = extras


class Invalid(ThreadlyError):
    """The request says something that cannot be meant."""

    code = "invalid"
    title = "The request is not valid"


class Unauthenticated(ThreadlyError):
    """Nobody knows who is asking."""

    code = "unauthenticated"
    title = "Sign in first"


class Forbidden(ThreadlyError):
    """The caller is known and may not do this."""

    code = "forbidden"
    title = "You may not do this"


class NotFound(ThreadlyError):
    """It is not there, or not for the caller to see: the two are not told apart."""

    code = "not_found"
    title = "There is no such thing"


class Conflict(ThreadlyError):
    """It cannot be done in the present state."""

    code = "conflict"
    title = "This cannot be done now"


class PreconditionFailed(ThreadlyError):
    """The caller's `If-Match` names a version that is no longer the current one."""

    code = "precondition_failed"
    title = "It changed since you looked"


class PreconditionRequired(ThreadlyError):
    """The request must carry an `If-Match`: nobody overwrites what they have not seen (RFC 6585 §3)."""

    code = "precondition_required"
    title = "Say which version you are changing"


class Later(ThreadlyError):
    """Base of the two that tell when to come back; `retry_after` is in whole seconds."""

    def __init__(self, detail: str = "", *, retry_after: int = 1, **extras: Any) -> None:
        super().__init__(detail, **extras)
        self.retry_after = retry_after


class TooManyRequests(Later):
    """The caller asks too often."""

    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(Later):
    """Something that is needed for this is away."""

    code = "unavailable"
    title = "Not available at the moment"


class Busy(Unavailable):
    """The database undid the request in favour of another one that wanted the same rows."""

    code = "busy_try_again"
    title = "Somebody else was changing the same thing"


class Retryable(ThreadlyError):
    """A message cannot be handled yet; it waits and comes again."""

    code = "retryable"


class Permanent(ThreadlyError):
    """A message can never be handled; it goes to the dead letters at once."""

    code = "permanent"


class TooLarge(Permanent):
    """What is to be told to others is more than a message may hold; nothing was changed."""

    code = "too_large"
    title = "More than can be taken at once"
