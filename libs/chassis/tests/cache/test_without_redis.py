"""A dead Redis is a miss, never an error (architecture §2, §6)."""

import asyncio
import time
from typing import Any

import pytest

from threadly_chassis.cache import Cache, CacheUnavailable
from threadly_chassis.errors import Retryable
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration


async def test_a_refused_connection_is_a_miss(source: Any) -> None:
    async with Cache.open("redis://127.0.0.1:1/0", "nowhere") as cache:
        assert await cache.get_or_load("k", source, ttl=60, tags=("t",)) == 1
        assert await cache.populate("k", source) == 1
        assert await cache.refresh("k", source) == 1
        assert await cache.validate("k") is False
        assert await cache.get_metadata("k") is None


async def test_an_invalidation_that_redis_did_not_confirm_is_to_be_repeated() -> None:
    """A consumer's wait ladder repeats it; silence would leave stale answers to other processes."""
    assert issubclass(CacheUnavailable, Retryable)
    async with Cache.open("redis://127.0.0.1:1/0", "nowhere") as cache:
        with pytest.raises(CacheUnavailable):
            await cache.invalidate_tags("t")
        with pytest.raises(CacheUnavailable):
            await cache.evict("*")


async def test_a_quiet_drop_without_redis_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with Cache.open("redis://127.0.0.1:1/0", "nowhere") as cache:
        await cache.drop_quietly("product:1", "products")
    assert "cache_tags_not_dropped" in caplog.text
    assert "product:1" in caplog.text


async def test_a_redis_that_hangs_costs_one_time_out_and_not_one_each(
    cable: Any, namespace: str, source: Any
) -> None:
    async with Cache.open(cable.url, namespace) as cache:
        await cache.get_or_load("k", source, ttl=60)
        cable.passes.clear()
        started = time.monotonic()
        for number in range(20):
            assert await cache.get_or_load(f"k{number}", source, ttl=60) == 1
        assert time.monotonic() - started < 2.5  # 20 time-outs would be 10 s
        cable.passes.set()


async def test_redis_gone_and_back(cable: Any, namespace: str, source: Any) -> None:
    """A cut connection is a miss; when Redis is back the cache is used again by itself."""
    async with Cache.open(cable.url, namespace) as cache:
        assert await cache.get_or_load("k", source, ttl=60) == 1
        await cable.cut()
        source.value = 2
        assert await cache.get_or_load("k", source, ttl=60) == 2
        await cable.mend()

        async def is_used_again() -> bool:
            loads = source.loads
            await cache.get_or_load("k", source, ttl=60)
            return bool(source.loads == loads)

        await eventually(is_used_again, timeout=10, describe="the cache is used again")


async def test_redis_dying_during_a_load_still_answers(cable: Any, namespace: str, source: Any) -> None:
    async with Cache.open(cable.url, namespace) as cache:
        source.may_finish.clear()
        loading = asyncio.create_task(cache.get_or_load("k", source, ttl=60))
        await source.started.wait()
        await cable.cut()
        source.may_finish.set()
        assert await loading == 1
        await cable.mend()


async def test_a_crowd_without_redis_loads_twice_at_most(source: Any) -> None:
    """Single flight within the process does not need Redis."""
    async with Cache.open("redis://127.0.0.1:1/0", "nowhere") as cache:
        answers = await asyncio.gather(*(cache.get_or_load("k", source, ttl=60) for _ in range(50)))
    assert set(answers) == {1}
    assert source.loads == 2
    assert source.most_at_once == 1
