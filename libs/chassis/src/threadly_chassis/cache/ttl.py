"""How long things are kept."""

import random
from enum import IntEnum


class CACHE_TTL(IntEnum):  # noqa: N801 - the specification's own name for this table
    """Named lifetimes, seconds."""

    SHORT = 60
    MEDIUM = 300
    LONG = 1800
    VERY_LONG = 7200


#: The part of a lifetime that chance may take away, so that what was filled together does not end together.
_JITTER = 0.1


def with_jitter(seconds: float) -> float:
    """Shorten a lifetime by up to a tenth; never lengthen it."""
    return seconds * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, guards nothing
