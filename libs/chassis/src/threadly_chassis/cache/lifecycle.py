"""What a cache knows of its keys: how long, under which tags, and at which version of the data."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .ttl import CACHE_TTL


def _medium(_: str) -> float:
    return CACHE_TTL.MEDIUM


def _no_tags(_: str) -> Sequence[str]:
    return ()


async def _no_version(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The specification's three hooks, each asked with a key (R-CACHE-04, R-CACHE-05).

    `get_ttl` answers in seconds. `get_data_version` answers the present version of the data behind a key,
    or None when it has none.
    """

    get_ttl: Callable[[str], float] = _medium
    get_tags: Callable[[str], Sequence[str]] = _no_tags
    get_data_version: Callable[[str], Awaitable[str | None]] = _no_version
