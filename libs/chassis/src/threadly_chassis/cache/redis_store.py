"""The cache's side of Redis (L4): every call has a deadline, and a failure is `CacheUnavailable`."""

import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..errors import Retryable
from . import scripts
from .circuit import Circuit

#: Seconds to wait for Redis: it answers in under a millisecond, or it is away.
_TIMEOUT = 0.5
#: An invalidation is remembered for longer than any load may take; what is older is a miss anyway.
_REMEMBER_MS = 3_600_000
#: One Lua step over this many entries takes about a millisecond, so nobody else waits for long (E088).
_BATCH = 500


class CacheUnavailable(Retryable):
    """Redis does not answer. Reads treat it as a miss; an invalidation must be repeated later."""

    code = "cache_unavailable"
    title = "The cache does not answer"


class State(StrEnum):
    """What a look at a key found."""

    HIT = "hit"
    SAME = "same"
    """Alive, and the value whose stamp the caller already has."""
    REFRESH = "refresh"
    """Stale but usable, and the caller is the one to load it anew."""
    LEAD = "lead"
    """Nothing there, and the caller is the one to load it."""
    WAIT = "wait"
    """Nothing there yet; somebody else is loading it."""
    MISS = "miss"
    """Nothing there; asked without the wish to load."""


@dataclass(frozen=True, slots=True)
class Look:
    """The answer to a look; `stamp` is the entry's or, for the one who loads, the load's."""

    state: State
    stamp: bytes
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Fill:
    """What a load brought: `fresh_ms` until it wants a refresh, `kept_ms` until it is gone."""

    value: bytes
    fresh_ms: int
    kept_ms: int
    tags: Sequence[str]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a cached value besides itself (R-CACHE-08)."""

    expires_at: datetime
    version: str | None
    tags: tuple[str, ...]


class RedisStore:
    """One namespace of one Redis."""

    def __init__(self, url: str, namespace: str) -> None:
        self._prefix = f"{{{namespace}}}:"
        self._token = secrets.token_hex(8)
        self._circuit = Circuit()
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._look = self._redis.register_script(scripts.LOOK)
        self._begin = self._redis.register_script(scripts.BEGIN)
        self._fill = self._redis.register_script(scripts.FILL)
        self._release = self._redis.register_script(scripts.RELEASE)
        self._invalidate = self._redis.register_script(scripts.INVALIDATE)
        self._sweep = self._redis.register_script(scripts.SWEEP)
        self._evicted = self._redis.register_script(scripts.EVICTED)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        try:
            found = await answer
        except (RedisError, OSError) as error:
            self._circuit.failed(error)
            raise CacheUnavailable(str(error)) from error
        self._circuit.answered()
        return found

    def _refuse_when_open(self) -> None:
        if self._circuit.open:
            raise CacheUnavailable("Redis did not answer a moment ago.")

    def _entry(self, key: str) -> str:
        return f"{self._prefix}e:{key}"

    def _lock(self, key: str) -> str:
        return f"{self._prefix}l:{key}"

    async def look(self, key: str, known: bytes = b"", *, lock_ms: int = 0, renew: bool = False) -> Look:
        """Look at a key; with `lock_ms` the first to find it missing or stale is told to load it.

        With `renew` what is fresh counts as stale.
        """
        self._refuse_when_open()
        keys = [self._entry(key), self._lock(key)]
        arguments: list[str | bytes | int] = [self._prefix, known, self._token, lock_ms, int(renew)]
        state, *rest = await self._ask(self._look(keys, arguments))
        return Look(State(state.decode()), *rest)

    async def begin(self) -> bytes:
        """The stamp of a load that begins now."""
        self._refuse_when_open()
        stamp: bytes = await self._ask(self._begin([], [self._prefix]))
        return stamp

    async def fill(self, key: str, stamp: bytes, fill: Fill) -> bool:
        """Store a load that was begun at `stamp`; False when what it saw may have changed since."""
        self._refuse_when_open()
        keys = [self._entry(key), self._lock(key)]
        arguments: list[str | bytes | int] = [self._prefix, key, self._token, stamp, fill.value]
        arguments += [fill.fresh_ms, fill.kept_ms, fill.version, "\n".join(fill.tags)]
        return bool(await self._ask(self._fill(keys, arguments)))

    async def release(self, key: str) -> None:
        """Let somebody else load the key."""
        await self._ask(self._release([self._lock(key)], [self._token]))

    async def metadata(self, key: str) -> Metadata | None:
        """What is known of a key; None when nothing servable is there."""
        look = await self.look(key)
        if look.state is State.MISS:
            return None
        reading: Awaitable[Any] = self._redis.hmget(self._entry(key), ["x", "n", "t"])
        expires, version, tags = await self._ask(reading)
        if expires is None:
            return None
        moment = datetime.fromtimestamp(int(expires) / 1000, UTC)
        return Metadata(moment, version.decode() or None, tuple(tags.decode().split("\n")) if tags else ())

    async def invalidate(self, tag: str) -> int:
        """Make every entry of a tag unservable, at once; then delete them in batches and count them."""
        self._refuse_when_open()
        stamp, aside = await self._ask(self._invalidate([], [self._prefix, tag, _REMEMBER_MS]))
        dropped, taken = 0, _BATCH if aside else 0
        while taken == _BATCH:
            arguments = [self._prefix, tag, stamp, _BATCH]
            taken, live = await self._ask(self._sweep([aside], arguments))
            dropped += int(live)
        return dropped

    async def evict(self, pattern: str) -> int:
        """Delete every entry whose key matches a glob, by SCAN in batches; loads under way are not stored."""
        await self._ask(self._evicted([], [self._prefix, _REMEMBER_MS]))
        cursor, dropped = -1, 0
        while cursor != 0:
            cursor, names = await self._ask(
                self._redis.scan(max(cursor, 0), match=self._entry(pattern), count=_BATCH)
            )
            if names:
                dropped += int(await self._ask(self._redis.unlink(*names)))
        return dropped
