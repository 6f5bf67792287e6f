"""Where a dead letter stands; a file of its own, so that the command line's help needs no more than this."""

from enum import StrEnum


class Status(StrEnum):
    """Where a dead letter stands."""

    OPEN = "OPEN"
    REPLAYING = "REPLAYING"
    """Sent back, or about to be; the consumer has not said yet how it went."""
    RESOLVED = "RESOLVED"
    DISCARDED = "DISCARDED"
