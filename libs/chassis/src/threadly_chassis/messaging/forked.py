"""A fork, as a reader with `Gate.LATEST` meets it: two events of one aggregate bear one version."""

from typing import Final

from threadly_contracts import Event

from ..observability.logging import get_logger
from .delivery import Received
from .inbox import Stream

#: Applied, in its owner's new epoch, over an event that the owner does not know any more.
FORKED: Final = "forked"
#: Passed over, though another event bears the same version in the same epoch: the owner has forked and does
#: not know it (a volume's snapshot that was put back), so somebody has to raise its epoch.
VERSION_TAKEN: Final = "version-taken"

#: The owner in the names of events that several services publish, each under versions of its own.
SHARED_OWNER: Final = "operations"

_log = get_logger(__name__)


def is_shared(event: type[Event]) -> bool:
    """Whether several services publish it: then nobody's log has them all, and no version is one's own."""
    return event.owner() == SHARED_OWNER


def shows_fork(received: Received, stream: Stream) -> bool:
    """Whether a fresh event shows that its owner does not know what was applied.

    What a rebuild sends does not: it restates what its owner has forgotten by age.
    """
    event = received.envelope
    if event.rebuild_id is not None or is_shared(type(received.event)):
        return False
    return stream.is_forked_by(event.epoch, event.version, event.event_id)


def note_fork(consumer: str, received: Received, stream: Stream) -> bool:
    """Whether a fresh event shows a fork; says so in the log."""
    if not shows_fork(received, stream):
        return False
    event = received.envelope
    _log.error(
        "the owner does not know what was applied",
        consumer=consumer,
        aggregate=event.aggregate,
        subject=event.subject,
        applied=(stream.epoch, stream.version, str(stream.event_id)),
        arrived=(event.epoch, event.version, str(event.event_id)),
    )
    return True
