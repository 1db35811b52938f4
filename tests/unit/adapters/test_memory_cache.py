"""The cache of one process: bounded, forgetful, and closed to answers from before a change."""

from __future__ import annotations

from integration_hub.adapters.memory_cache import MemoryCache


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def put(cache: MemoryCache, scope: str, key: str, value: bytes = b"v", seconds: int = 60) -> None:
    await cache.keep(scope, key, value, seconds=seconds, epoch=(await cache.look(scope, key)).epoch)


async def get(cache: MemoryCache, scope: str, key: str) -> bytes | None:
    return (await cache.look(scope, key)).value


async def test_what_was_kept_is_found_in_its_own_scope_until_its_time_is_up() -> None:
    time = Time()
    cache = MemoryCache(time)
    await put(cache, "a", "k", b"one")
    time.now += 59
    assert await get(cache, "a", "k") == b"one"
    assert await get(cache, "b", "k") is None
    time.now += 1
    assert await get(cache, "a", "k") is None
    assert (len(cache), cache.size_bytes) == (0, 0)


async def test_forgetting_a_scope_leaves_the_others() -> None:
    cache = MemoryCache(Time())
    for scope in ("a", "b"):
        for key in ("1", "2"):
            await put(cache, scope, key)
    await cache.forget("a")
    assert [await get(cache, scope, "1") for scope in ("a", "b")] == [None, b"v"]
    assert len(cache) == 2


async def test_what_was_looked_for_before_a_change_is_not_kept_after_it() -> None:
    cache = MemoryCache(Time())
    before = await cache.look("a", "k")
    await cache.forget("a")
    await cache.keep("a", "k", b"stale", seconds=60, epoch=before.epoch)
    assert await get(cache, "a", "k") is None


async def test_the_least_used_goes_first_when_room_is_short() -> None:
    cache = MemoryCache(Time(), limit_bytes=4_000)
    for key in ("1", "2", "3"):
        await put(cache, "a", key, b"x" * 1_000)
    await get(cache, "a", "1")
    await put(cache, "a", "4", b"x" * 1_000)
    assert [await get(cache, "a", key) is not None for key in ("1", "2", "3", "4")] == [
        True,
        False,
        True,
        True,
    ]
    assert cache.size_bytes <= 4_000


async def test_what_is_larger_than_all_room_pushes_nothing_out() -> None:
    cache = MemoryCache(Time(), limit_bytes=2_000)
    await put(cache, "a", "1", b"x" * 100)
    await put(cache, "a", "2", b"x" * 5_000)
    assert await get(cache, "a", "1") is not None
    assert await get(cache, "a", "2") is None


async def test_without_room_nothing_is_kept() -> None:
    cache = MemoryCache(Time(), limit_bytes=0)
    await put(cache, "a", "1")
    assert len(cache) == 0


async def test_keeping_again_replaces_and_counts_once() -> None:
    cache = MemoryCache(Time())
    await put(cache, "a", "k", b"x" * 100)
    await put(cache, "a", "k", b"y")
    assert await get(cache, "a", "k") == b"y"
    assert cache.size_bytes < 300
