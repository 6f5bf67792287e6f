"""Filling, sharing and ending (R-CACHE-01, R-CACHE-04 to R-CACHE-08, E085, E086)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from threadly_chassis.cache import CACHE_TTL, Cache, CachePolicy
from threadly_chassis.context import ActionContext, begin_action
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration


async def test_a_second_reader_is_served_from_redis(cache: Cache, other_process: Cache, source: Any) -> None:
    """R-CACHE-01: a hit in another process needs no load."""
    source.value = {"title": "Dress", "size": None, "parts": [1, 2]}
    assert await cache.get_or_load("k", source, ttl=60) == source.value
    assert await other_process.get_or_load("k", source, ttl=60) == source.value
    assert await other_process.get_or_load("k", source, ttl=60) == source.value  # decoded layer
    assert source.loads == 1


async def test_hits_are_counted_into_the_action(cache: Cache, source: Any) -> None:
    """R-OBS-07: the hit rate of an action."""
    action = ActionContext()
    begin_action(action)
    for _ in range(4):
        await cache.get_or_load("k", source, ttl=60)
    assert (action.cache_requests, action.cache_hits, action.cache_hit_rate) == (4, 3, 0.75)


async def test_a_crowd_in_two_processes_loads_once(cache: Cache, other_process: Cache, source: Any) -> None:
    """R-CACHE-06: no stampede."""
    source.may_finish.clear()
    crowd = [
        asyncio.create_task(one.get_or_load("k", source, ttl=60))
        for one in (cache, other_process)
        for _ in range(50)
    ]
    await source.started.wait()
    source.may_finish.set()
    assert set(await asyncio.gather(*crowd)) == {1}
    assert source.loads == 1


async def test_a_cancelled_caller_leaves_the_others_their_answer(cache: Cache, source: Any) -> None:
    source.may_finish.clear()
    first = asyncio.create_task(cache.get_or_load("k", source, ttl=60))
    await source.started.wait()
    second = asyncio.create_task(cache.get_or_load("k", source, ttl=60))
    first.cancel()
    source.may_finish.set()
    assert await second == 1
    assert source.loads == 1


async def test_what_the_loader_raises_is_raised_and_not_stored(
    cache: Cache, other_process: Cache, source: Any
) -> None:
    """E085: without a stale value the error is the caller's, and the next caller tries at once."""
    source.error = LookupError("the database is away")
    with pytest.raises(LookupError):
        await cache.get_or_load("k", source, ttl=60)
    source.error = None
    async with asyncio.timeout(2):  # the failed loader's lock (5 s) is not waited for
        assert await other_process.get_or_load("k", source, ttl=60) == 1


async def test_none_is_kept_for_a_short_time_only(cache: Cache, source: Any) -> None:
    """E086: an absent thing is not an endless miss, nor absent for long."""
    source.value = None
    for _ in range(3):
        assert await cache.get_or_load("k", source, ttl=60, negative_ttl=0.2) is None
    assert source.loads == 1
    source.value = "there"

    async def is_there() -> bool:
        return bool(await cache.get_or_load("k", source, ttl=60, negative_ttl=0.2) == "there")

    await eventually(is_there, timeout=3, describe="the negative entry has ended")


async def test_a_lifetime_may_be_read_off_the_value(cache: Cache, source: Any) -> None:
    source.value = {"degraded": True}
    await cache.get_or_load("k", source, ttl=lambda value: 2 if value["degraded"] else 60)
    metadata = await cache.get_metadata("k")
    assert metadata is not None
    assert metadata.expires_at - datetime.now(UTC) < timedelta(seconds=3)


async def test_stale_is_served_while_one_caller_loads_anew(
    cache: Cache, other_process: Cache, source: Any
) -> None:
    """R-CACHE-06: past its time a value is still served; the load in the background is one."""
    await cache.get_or_load("k", source, ttl=0.05, stale=60)

    async def is_stale() -> bool:
        return not await cache.get_or_load("k", source, ttl=0.05, stale=60) or source.loads > 1

    source.value = 2
    source.may_finish.clear()
    await eventually(is_stale, timeout=10, describe="the value has gone stale")
    for one in (cache, other_process, cache):
        assert await one.get_or_load("k", source, ttl=60, stale=60) == 1
    assert source.loads == 2
    source.may_finish.set()

    async def is_new() -> bool:
        return bool(await other_process.get_or_load("k", source, ttl=60, stale=60) == 2)

    await eventually(is_new, timeout=10, describe="the refresh has been stored")


async def test_a_failed_refresh_keeps_the_stale_value_and_says_so(
    redis_url: str, namespace: str, source: Any
) -> None:
    """E085: stale present: stale, and a log line."""
    with capture_logs() as logs:
        async with Cache.open(redis_url, namespace) as cache:
            await cache.populate("k", source)
            source.error = LookupError("the database is away")
            assert await cache.refresh("k", source) == 1
    assert source.loads == 2
    assert [line["error"] for line in logs] == ["LookupError: the database is away"]
    async with Cache.open(redis_url, namespace) as cache:
        assert await cache.get_or_load("k", source, ttl=60) == 1


async def test_refresh_without_a_stale_value_waits_for_a_fresh_one(cache: Cache, source: Any) -> None:
    """R-CACHE-06."""
    assert await cache.refresh("k", source) == 1
    assert source.loads == 1


async def test_populate_and_validate_ask_the_policy(redis_url: str, namespace: str, source: Any) -> None:
    """R-CACHE-04, R-CACHE-05, R-CACHE-08: lifetime, tags and version come from the key's policy."""
    version = "7"

    async def data_version(_: str) -> str:
        return version

    policy = CachePolicy(
        get_ttl=lambda _: CACHE_TTL.LONG,
        get_tags=lambda key: ("products", key),
        get_data_version=data_version,
    )
    async with Cache.open(redis_url, namespace, policy) as cache:
        assert await cache.validate("product:1") is False
        assert await cache.populate("product:1", source) == 1
        assert await cache.validate("product:1") is True
        metadata = await cache.get_metadata("product:1")
        assert metadata is not None
        assert (metadata.version, metadata.tags) == ("7", ("products", "product:1"))
        left = metadata.expires_at - datetime.now(UTC)
        assert timedelta(seconds=1500) < left <= timedelta(seconds=1801)
        version = "8"
        assert await cache.validate("product:1") is False
        version = "7"
        await cache.invalidate_tags("product:1")
        assert await cache.validate("product:1") is False


async def test_a_value_that_is_not_json_is_refused_and_locks_nobody_out(cache: Cache, source: Any) -> None:
    source.value = {1, 2}
    with pytest.raises(TypeError):
        await cache.get_or_load("k", source, ttl=60)
    source.value = [1, 2]
    async with asyncio.timeout(2):
        assert await cache.get_or_load("k", source, ttl=60) == [1, 2]


def test_the_named_lifetimes_are_the_specification_s() -> None:
    """CA-22: 1 minute, 5 minutes, half an hour, 2 hours."""
    assert [int(ttl) for ttl in CACHE_TTL] == [60, 300, 1800, 7200]
