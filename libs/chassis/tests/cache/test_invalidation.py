"""Dropping (R-CACHE-02, R-CACHE-03, R-CACHE-07, E083, E088)."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from threadly_chassis.cache import Cache, CacheUnavailable

pytestmark = pytest.mark.integration


async def test_a_tag_drops_its_keys_and_says_how_many(
    cache: Cache, other_process: Cache, source: Any
) -> None:
    """R-CACHE-03: confirmed with the count of what was alive; others stay."""
    for key, tags in {"a": ("red",), "b": ("red", "blue"), "c": ("blue",)}.items():
        await cache.get_or_load(key, source, ttl=60, tags=tags)
    assert await other_process.invalidate_tags("red") == 2
    assert await other_process.invalidate_tags("red", "green") == 0
    source.value = 2
    answers = [await cache.get_or_load(key, source, ttl=60) for key in ("a", "b", "c")]
    assert answers == [2, 2, 1]


async def test_a_quiet_drop_drops(cache: Cache, other_process: Cache, source: Any) -> None:
    await cache.get_or_load("a", source, ttl=60, tags=("red",))
    source.value = 2
    await other_process.drop_quietly("red")
    assert await cache.get_or_load("a", source, ttl=60, tags=("red",)) == 2


async def test_a_key_with_two_dropped_tags_counts_once(cache: Cache, source: Any) -> None:
    await cache.get_or_load("a", source, ttl=60, tags=("red", "blue"))
    assert await cache.invalidate_tags("red", "blue") == 1


async def test_a_fill_that_raced_an_invalidation_is_never_served(
    cache: Cache, other_process: Cache, source: Any, redis_url: str, namespace: str
) -> None:
    """E083: begun before the edit, finished after the clear."""
    source.may_finish.clear()
    slow = asyncio.create_task(cache.get_or_load("k", source, ttl=60, tags=("t",)))
    await source.started.wait()
    source.value = 2  # the edit
    await other_process.invalidate_tags("t")
    source.may_finish.set()
    assert await slow == 1  # it asked before the edit was confirmed
    async with Redis.from_url(redis_url) as redis:
        assert await redis.exists(f"{{{namespace}}}:e:k") == 0  # nor does it take room
    for one in (cache, other_process):
        assert await one.get_or_load("k", source, ttl=60, tags=("t",)) == 2


async def test_a_caller_after_an_invalidation_does_not_join_a_load_from_before(
    cache: Cache, source: Any
) -> None:
    """Architecture §6: the writer's next read is never stale, not even by sharing a flight."""
    source.may_finish.clear()
    before = asyncio.create_task(cache.get_or_load("k", source, ttl=60, tags=("t",)))
    await source.started.wait()
    source.value = 2
    await cache.invalidate_tags("t")
    after = asyncio.create_task(cache.get_or_load("k", source, ttl=60, tags=("t",)))
    await asyncio.sleep(0)
    source.may_finish.set()
    assert (await before, await after) == (1, 2)
    assert source.most_at_once == 1


async def test_tags_read_off_the_value_guard_the_fill_too(
    cache: Cache, other_process: Cache, source: Any
) -> None:
    """E083 for tags that are known only after the load: a list is tagged with its members."""
    source.value = ["p1", "p2"]
    source.may_finish.clear()
    slow = asyncio.create_task(cache.get_or_load("list", source, ttl=60, tags=lambda ids: ids))
    await source.started.wait()
    await other_process.invalidate_tags("p2")
    source.may_finish.set()
    await slow
    source.value = ["p1"]
    assert await cache.get_or_load("list", source, ttl=60, tags=lambda ids: ids) == ["p1"]
    assert await other_process.invalidate_tags("p1") == 1


async def test_an_invalidation_holds_before_its_keys_are_deleted(
    cache: Cache, other_process: Cache, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E088: a process that dies between the two steps has invalidated all the same."""
    await cache.get_or_load("k", source, ttl=60, tags=("t",))

    async def dies(*_: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(other_process._store, "_sweep", dies)
    with pytest.raises(CacheUnavailable):
        await other_process.invalidate_tags("t")
    source.value = 2
    assert await cache.get_or_load("k", source, ttl=60, tags=("t",)) == 2


async def test_a_generation_that_redis_lost_is_a_miss(
    cache: Cache, source: Any, redis_url: str, namespace: str
) -> None:
    """Memory pressure may evict a generation; what depended on it is then not served."""
    await cache.get_or_load("k", source, ttl=60, tags=("t",))
    async with Redis.from_url(redis_url) as redis:
        assert await redis.delete(f"{{{namespace}}}:g:t") == 1
    source.value = 2
    assert await cache.get_or_load("k", source, ttl=60, tags=("t",)) == 2


async def test_a_pattern_evicts_what_matches(cache: Cache, other_process: Cache, source: Any) -> None:
    """R-CACHE-07."""
    for key in ("search:1", "search:2", "product:1"):
        await cache.get_or_load(key, source, ttl=60)
    assert await other_process.evict("search:*") == 2
    source.value = 2
    assert await cache.get_or_load("search:1", source, ttl=60) == 2
    assert await cache.get_or_load("product:1", source, ttl=60) == 1


async def test_a_load_that_raced_an_eviction_is_not_stored(
    cache: Cache, other_process: Cache, source: Any
) -> None:
    source.may_finish.clear()
    slow = asyncio.create_task(cache.get_or_load("search:1", source, ttl=60))
    await source.started.wait()
    source.value = 2
    await other_process.evict("search:*")
    source.may_finish.set()
    await slow
    assert await other_process.get_or_load("search:1", source, ttl=60) == 2


async def test_dropping_a_large_tag_blocks_nobody(
    cache: Cache, redis_url: str, namespace: str, source: Any
) -> None:
    """E088: 20,000 keys go in bounded steps; Redis' own log of commands over 50 ms stays empty of ours."""
    await cache.get_or_load("first", source, ttl=600, tags=("t",))
    prefix = f"{{{namespace}}}:"
    async with Redis.from_url(redis_url) as redis:
        entry: Any = await redis.hgetall(f"{prefix}e:first")
        members = await redis.zrange(f"{prefix}t:t", 0, -1, withscores=True)
        for start in range(0, 20_000, 2_000):
            pipe = redis.pipeline(transaction=False)
            for number in range(start, start + 2_000):
                pipe.hset(f"{prefix}e:k{number}", mapping=entry)
                pipe.zadd(f"{prefix}t:t", {f"k{number}": members[0][1]})
            await pipe.execute()
        await redis.config_set("slowlog-log-slower-than", 50_000)
        await redis.slowlog_reset()
        assert await cache.invalidate_tags("t") == 20_001
        slow = [each["command"] for each in await redis.slowlog_get(64)]
    assert not [command for command in slow if namespace.encode() in bytes(command)]
