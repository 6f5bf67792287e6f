"""UUIDv7 ids (RFC 9562 §5.7): unique without a coordinator, and in order of time."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def new_id() -> UUID:
    """Make an id whose first 48 bits are the Unix time in milliseconds."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    random_a, random_b = random >> 68, random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_7 | random_a << 64 | _VARIANT | random_b)


def first_id_at(moment: datetime) -> UUID:
    """The smallest id that can be made at a moment (aware), or at the first one there was."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


def made_at(made: UUID) -> datetime:
    """When an id was made, to the millisecond, by the clock of its maker."""
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
