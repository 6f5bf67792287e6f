"""`Cache`: what services use.

::

    cache = Cache(settings.redis_url.get_secret_value(), "catalog")
    view = await cache.get_or_load(f"product:{id}", load, ttl=CACHE_TTL.MEDIUM, tags=(f"product:{id}",))
    await cache.invalidate_tags(f"product:{id}", "products")   # after the commit

Values are JSON; a value may be shared with other callers, so nobody may change it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from ..context import current_action
from ..observability.logging import get_logger
from ..observability.metrics import CACHE_REQUESTS
from ..reach import answers_in_rehearsal
from .flights import Flights
from .l3 import DecodedValues, Held
from .lifecycle import CachePolicy
from .redis_store import CacheUnavailable, Fill, Look, Metadata, RedisStore, State
from .ttl import with_jitter

log = get_logger(__name__)

Loader = Callable[[], Awaitable[Any]]
#: Fixed, or read off the loaded value (a list is stale when any of its members changes).
Tags = Sequence[str] | Callable[[Any], Sequence[str]]
#: Fixed, or read off the loaded value (an answer without a provider is kept for less long); seconds.
Ttl = float | Callable[[Any], float]

#: How long one loader may keep the others waiting before the next one tries, ms.
_LOCK_MS = 5_000
#: How long those wait between two looks, seconds: a load takes some milliseconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.005, 0.05


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one key is to be loaded and kept; times in seconds."""

    key: str
    loader: Loader
    ttl: Ttl
    tags: Tags
    negative_ttl: float = 5
    stale: float = 0
    version: str = ""

    def fill(self, value: Any, encoded: bytes) -> Fill:
        chosen = self.ttl(value) if callable(self.ttl) else self.ttl
        ttl = with_jitter(self.negative_ttl if value is None else chosen)
        stale = 0.0 if value is None else self.stale
        tags = self.tags(value) if callable(self.tags) else self.tags
        fresh = max(1, int(ttl * 1000))
        return Fill(encoded, fresh, fresh + int(stale * 1000), tuple(dict.fromkeys(tags)), self.version)


class Cache:
    """Get-or-load with single flight, tags and a Redis that may be away."""

    def __init__(self, redis_url: str, namespace: str, policy: CachePolicy | None = None) -> None:
        self._store = RedisStore(redis_url, namespace)
        self._policy = policy or CachePolicy()
        self._decoded = DecodedValues()
        self._flights: Flights[tuple[Any, str]] = Flights()
        self._refreshes: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, redis_url: str, namespace: str, policy: CachePolicy | None = None
    ) -> AsyncIterator[Self]:
        """Make a cache that is closed at the block's end."""
        cache = cls(redis_url, namespace, policy)
        try:
            yield cache
        finally:
            await cache.close()

    async def close(self) -> None:
        """Let loads and refreshes under way finish, then close the connections."""
        await self._flights.settle()
        if self._refreshes:
            await asyncio.wait(self._refreshes)
        await self._store.close()

    async def get_or_load(
        self,
        key: str,
        loader: Loader,
        *,
        ttl: Ttl,
        tags: Tags = (),
        negative_ttl: float = 5,
        stale: float = 0,
    ) -> Any:
        """Return the value of `key`, from the cache or from `loader`, which then fills the cache.

        One process at a time loads a missing key. None is kept for `negative_ttl` seconds (E086). For `stale`
        seconds past its `ttl` a value is still served, while one caller loads it anew in the background.
        What `loader` raises is raised here and nothing is stored (E085); without Redis it is simply called.
        """
        plan = _Plan(key, loader, ttl, tags, negative_ttl, stale)
        value, result = await self._flights.share(key, lambda: self._through(plan))
        action = current_action()
        action.cache_requests += 1
        action.cache_hits += result in {"hit", "stale"}
        CACHE_REQUESTS.labels(result).inc()
        return value

    async def populate(self, key: str, fetcher: Loader) -> Any:
        """Fetch, store under the policy's lifetime and tags, and return the data (R-CACHE-04)."""
        plan = await self._planned(key, fetcher)
        stamp = b""
        with suppress(CacheUnavailable):
            stamp = await self._store.begin()
        return await self._load(plan, stamp)

    async def validate(self, key: str) -> bool:
        """Whether `key` is there, not expired, and at the data's present version (R-CACHE-05)."""
        metadata = await self.get_metadata(key)
        return metadata is not None and metadata.version == await self._policy.get_data_version(key)

    async def refresh(self, key: str, fetcher: Loader) -> Any:
        """Return what is stored and load it anew in the background, else await a load (R-CACHE-06)."""
        plan = await self._planned(key, fetcher)
        value, _ = await self._flights.share(key, lambda: self._through(plan, renew=True))
        return value

    async def get_metadata(self, key: str) -> Metadata | None:
        """Expiry, version and tags of `key`; None when it is not cached or Redis is away (R-CACHE-08)."""
        with suppress(CacheUnavailable):
            return await self._store.metadata(key)
        return None

    @answers_in_rehearsal(0)
    async def invalidate_tags(self, *tags: str) -> int:
        """Drop what carries any of the tags and return how many live keys that were (R-CACHE-03).

        When it returns nothing of theirs is served any more, not even what is being loaded (E083).
        Raises `CacheUnavailable` when Redis does not confirm: a message handler then tries again later.
        """
        return sum([await self._store.invalidate(tag) for tag in tags])

    async def drop_quietly(self, *tags: str) -> None:
        """Drop what carries any of the tags; a Redis that does not confirm is a warning.

        For the writer's own next read, after the commit: nothing is served without Redis' word, and the
        service's cache-invalidator drops the tags once more when Redis is back.
        """
        try:
            await self.invalidate_tags(*tags)
        except CacheUnavailable as error:
            log.warning("cache_tags_not_dropped", tags=tags, error=str(error))

    async def evict(self, pattern: str) -> int:
        """Drop every key that matches a glob and return how many there were (R-CACHE-07).

        Walks the whole key space in batches: for operators; events use tags. Raises `CacheUnavailable`.
        """
        return await self._store.evict(pattern)

    async def _planned(self, key: str, fetcher: Loader) -> _Plan:
        policy = self._policy
        # Read before the fetch: data that changes meanwhile is newer than its label, never older.
        version = await policy.get_data_version(key)
        return _Plan(key, fetcher, policy.get_ttl(key), policy.get_tags(key), version=version or "")

    async def _through(self, plan: _Plan, *, renew: bool = False) -> tuple[Any, str]:
        """Look, and load when told to; returns the value and what happened."""
        held = self._decoded.get(plan.key)
        try:
            look = await self._settled_look(plan.key, held.stamp, renew=renew)
        except CacheUnavailable:
            return await self._load(plan, b""), "unavailable"
        match look.state:
            case State.SAME:
                return held.value, "hit"
            case State.LEAD:
                return await self._load(plan, look.stamp), "miss"
            case State.REFRESH:
                self._load_later(plan, look.stamp)
                return json.loads(look.value), "stale"
            case _:
                value = json.loads(look.value)
                self._decoded.put(plan.key, Held(look.stamp, value), len(look.value))
                return value, "hit"

    async def _settled_look(self, key: str, known: bytes, *, renew: bool) -> Look:
        """Look until there is a value or this caller is the one to load it."""
        pause = _FIRST_WAIT
        while True:
            look = await self._store.look(key, known, lock_ms=_LOCK_MS, renew=renew)
            if look.state is not State.WAIT:
                return look
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_WAIT)

    async def _load(self, plan: _Plan, stamp: bytes) -> Any:
        """Load and fill; without a stamp there is no Redis to fill."""
        try:
            value = await plan.loader()
            encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
            fill = plan.fill(value, encoded)
        except BaseException:
            if stamp:
                with suppress(CacheUnavailable):
                    await self._store.release(plan.key)
            raise
        # Decoded again, so that callers see the same types whether it was a hit or not.
        value = json.loads(encoded)
        if stamp:
            with suppress(CacheUnavailable):
                if await self._store.fill(plan.key, stamp, fill):
                    self._decoded.put(plan.key, Held(stamp, value), len(encoded))
        return value

    def _load_later(self, plan: _Plan, stamp: bytes) -> None:
        task = asyncio.create_task(self._load(plan, stamp))
        self._refreshes.add(task)
        task.add_done_callback(self._refreshed)

    def _refreshed(self, task: asyncio.Task[Any]) -> None:
        self._refreshes.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("cache_refresh_failed", error=f"{type(error).__name__}: {error}")
