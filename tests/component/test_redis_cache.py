"""The shared cache on a real server: sealed, kept apart, and no call's trouble when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from call_stage import far_end, get, stage, way_out
from integration_hub.adapters.redis_cache import RedisCache
from valkey_server import ValkeyServer, valkey

KEY = bytes(range(32))
CANARY = b"canary: one tenant's answer"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with TemporaryDirectory(prefix="vk") as folder, valkey(Path(folder)) as running:
        yield running


@asynccontextmanager
async def cache_of(
    server: ValkeyServer, key: bytes = KEY, rest_seconds: float = 0.0
) -> AsyncIterator[RedisCache]:
    cache = RedisCache(server.url, key, timeout_seconds=15.0, rest_seconds=rest_seconds)
    try:
        yield cache
    finally:
        await cache.close()


async def put(cache: RedisCache, scope: str, key: str, value: bytes = CANARY, seconds: int = 60) -> None:
    await cache.keep(scope, key, value, seconds=seconds, epoch=(await cache.look(scope, key)).epoch)


async def found(cache: RedisCache, scope: str, key: str) -> bytes | None:
    return (await cache.look(scope, key)).value


def inside(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url)


async def test_replicas_share_what_is_kept(server: ValkeyServer) -> None:
    async with cache_of(server) as one, cache_of(server) as two:
        await put(one, "uid-a", "k")
        assert await found(two, "uid-a", "k") == CANARY
        assert await found(two, "uid-b", "k") is None
        assert await found(two, "uid-a", "other") is None


async def test_it_runs_out_by_itself(server: ValkeyServer) -> None:
    async with cache_of(server) as cache:
        await put(cache, "uid-a", "k", seconds=77)
    with inside(server) as client:
        (name,) = client.keys()
        assert 70 <= client.ttl(name) <= 77


async def test_forgetting_holds_for_all_replicas_and_for_what_is_still_on_its_way(
    server: ValkeyServer,
) -> None:
    async with cache_of(server) as one, cache_of(server) as two:
        await put(one, "uid-a", "k")
        await put(one, "uid-b", "k")
        before = await two.look("uid-a", "late")
        await one.forget("uid-a")
        await two.keep("uid-a", "late", b"stale", seconds=60, epoch=before.epoch)
        assert await found(two, "uid-a", "k") is None
        assert await found(one, "uid-a", "late") is None
        assert await found(two, "uid-b", "k") == CANARY
        await put(two, "uid-a", "k", b"fresh")
        assert await found(one, "uid-a", "k") == b"fresh"


async def test_nothing_that_lies_there_can_be_read_by_others(server: ValkeyServer) -> None:
    async with cache_of(server) as cache:
        await put(cache, "uid-a", "k")
        await cache.forget("uid-b")
    with inside(server) as client:
        names = client.keys()
        assert len(names) == 2
        for name in names:
            value = client.get(name)
            assert name.startswith(b"integration-hub:answers:")
            assert b"uid-" not in name
            assert b"canary" not in value
    async with cache_of(server, key=bytes(32)) as stranger:
        assert await found(stranger, "uid-a", "k") is None


async def test_nothing_that_others_put_there_is_served(server: ValkeyServer) -> None:
    async with cache_of(server) as cache:
        await put(cache, "uid-a", "k")
        await put(cache, "uid-b", "k", b"of another tenant")
        with inside(server) as client:
            one, two = sorted(client.keys())
            first, second = client.get(one), client.get(two)
            for forged in (b"", b"x", b"x" * 200, second, first[:-1], first + b"x"):
                client.set(one, forged)
                client.set(two, first)
                assert await found(cache, "uid-a", "k") is None
                assert await found(cache, "uid-b", "k") is None
            client.delete(one)
            client.lpush(one, "not even a text")
            assert await found(cache, "uid-a", "k") is None


async def test_a_server_that_is_gone_is_no_calls_trouble(server: ValkeyServer) -> None:
    async with cache_of(server) as cache, far_end() as end, way_out(end.port) as egress:
        scene = stage(egress, cache=cache)
        link, asked = end.link(), get(cache_seconds=60)
        assert (await scene.calls.call(link, asked)).success
        assert (await scene.calls.call(link, asked)).cached
        server.stop()
        again = await scene.calls.call(link, asked)
        assert (again.success, again.cached) == (True, False)
        server.start()
        assert (await scene.calls.call(link, asked)).success
        assert (await scene.calls.call(link, asked)).cached


async def test_a_server_that_hangs_costs_one_short_wait_and_is_left_alone(server: ValkeyServer) -> None:
    cache = RedisCache(server.url, KEY, timeout_seconds=0.1, rest_seconds=1000)
    server.pause()
    began = asyncio.get_running_loop().time()
    for number in range(50):
        assert await found(cache, "uid-a", f"{number}") is None
        await cache.keep("uid-a", f"{number}", b"v", seconds=60, epoch="")
    assert asyncio.get_running_loop().time() - began < 60, "not each of a hundred waited"
    await cache.close()


async def test_what_could_not_be_forgotten_is_not_served_once_the_server_is_back(
    server: ValkeyServer,
) -> None:
    async with cache_of(server) as cache, cache_of(server) as writer:
        await put(cache, "uid-a", "k")
        with inside(server) as client:
            names = client.keys()
            kept = dict(zip(names, client.mget(names), strict=True))
        server.stop()
        await cache.forget("uid-a")
        server.start()
        with inside(server) as client:
            client.mset(kept)
        assert await found(writer, "uid-a", "k") == CANARY
        assert await found(cache, "uid-a", "k") is None
        assert await found(writer, "uid-a", "k") is None


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RedisCache("redis://localhost", b"short")
