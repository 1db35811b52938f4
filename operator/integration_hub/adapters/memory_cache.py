"""The response cache of one process: least recently used out first, bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from integration_hub.ports import CacheLook

_OVERHEAD = 256
"""What an entry costs besides its value, about."""


@dataclass(frozen=True, slots=True)
class _Kept:
    value: bytes
    until: float


class MemoryCache:
    """`ports.ResponseCache`. `limit_bytes`: of values and what they cost besides. `monotonic` in seconds."""

    def __init__(self, monotonic: Callable[[], float], *, limit_bytes: int = 32 * 1024 * 1024) -> None:
        self._monotonic = monotonic
        self._limit = limit_bytes
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys: defaultdict[str, set[str]] = defaultdict(set)
        self._epochs: OrderedDict[str, int] = OrderedDict()
        self._epoch = 0

    async def look(self, scope: str, key: str) -> CacheLook:
        kept = self._kept.get((scope, key))
        if kept is not None and kept.until <= self._monotonic():
            self._drop(scope, key)
            kept = None
        if kept is None:
            return CacheLook(None, self._epoch_of(scope))
        self._kept.move_to_end((scope, key))
        return CacheLook(kept.value, self._epoch_of(scope))

    async def keep(self, scope: str, key: str, value: bytes, *, seconds: int, epoch: str) -> None:
        if epoch != self._epoch_of(scope) or _cost(value) > self._limit:
            return
        self._drop(scope, key)
        self._kept[scope, key] = _Kept(value, self._monotonic() + seconds)
        self._keys[scope].add(key)
        self._size += _cost(value)
        while self._size > self._limit:
            self._drop(*next(iter(self._kept)))

    async def forget(self, scope: str) -> None:
        for key in tuple(self._keys.get(scope, ())):
            self._drop(scope, key)
        self._epoch += 1
        self._epochs[scope] = self._epoch
        self._epochs.move_to_end(scope)
        while len(self._epochs) > _EPOCHS:
            self._epochs.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        return self._size

    def _epoch_of(self, scope: str) -> str:
        return str(self._epochs.get(scope, 0))

    def _drop(self, scope: str, key: str) -> None:
        kept = self._kept.pop((scope, key), None)
        if kept is None:
            return
        self._size -= _cost(kept.value)
        keys = self._keys[scope]
        keys.discard(key)
        if not keys:
            del self._keys[scope]


_EPOCHS = 65_536
"""Scopes whose last change is remembered: it matters only to calls that were under way then."""


def _cost(value: bytes) -> int:
    return len(value) + _OVERHEAD
