"""Name resolution by the system's resolver, with the administrator's fixed hosts in front of it.

Answers are kept for a few seconds and one look-up serves all who wait for the same name, so a
thousand probes of one vendor ask DNS once. The caller checks every answer on every request, cached
or not. Each look-up runs in a thread of its own: a slow name server must not hold up anything else, nor
the end of the process, so those threads are daemons and nobody waits for them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from integration_hub.ports import Failure, HttpFailure, Resolution

Lookup = Callable[[str], Resolution]
"""Blocking look-up; raises OSError where there is no answer."""


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Resolution
    until: float


class SystemResolver:
    """`ports.Resolver`. Belongs to one event loop. `threads`: most look-ups at once, the others wait.

    `hosts`: name to address, like `hostAliases` of a pod: asked first, and never DNS for these
    names. They are an administrator's setting and pass the address table like any other answer.
    """

    def __init__(
        self,
        hosts: Mapping[str, str] | None = None,
        *,
        keep_seconds: float = 5.0,
        keep_names: int = 4_096,
        threads: int = 64,
        lookup: Lookup | None = None,
    ) -> None:
        self._hosts = {name.lower().removesuffix("."): address for name, address in (hosts or {}).items()}
        self._keep_seconds = keep_seconds
        self._keep_names = keep_names
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Future[Resolution]] = {}
        self._lookup = lookup or system_lookup
        self._places = asyncio.Semaphore(threads)

    async def resolve(self, host: str, *, timeout_seconds: float) -> Resolution | HttpFailure:
        """See `ports.Resolver.resolve`."""
        fixed = self._hosts.get(host)
        if fixed is not None:
            return Resolution((fixed,))
        kept = self._kept.get(host)
        if kept is not None and kept.until > time.monotonic():
            return kept.answer
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(host))
            self._asking[host] = asking
            asking.add_done_callback(_retrieve)
        try:
            return await asyncio.wait_for(asyncio.shield(asking), timeout_seconds)
        except TimeoutError:
            return HttpFailure(
                Failure.DNS, f"the name {host} was not resolved within {timeout_seconds:.0f} s"
            )
        except (OSError, UnicodeError) as error:
            return HttpFailure(Failure.DNS, f"the name {host} cannot be resolved: {_why(error)}")

    async def _ask(self, host: str) -> Resolution:
        try:
            async with self._places:
                answer = await _in_a_thread(self._lookup, host)
        finally:
            self._asking.pop(host, None)
        if len(self._kept) >= self._keep_names:
            self._kept.clear()
        self._kept[host] = _Kept(answer, time.monotonic() + self._keep_seconds)
        return answer

    async def close(self) -> None:
        """Forget everything; a thread that hangs in a look-up is left to itself."""
        for asking in tuple(self._asking.values()):
            asking.cancel()
        self._kept.clear()


def system_lookup(host: str) -> Resolution:
    """Ask getaddrinfo for all addresses and the canonical name, IPv4 and IPv6 as the system orders them."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
    canonical = next((answer[3] for answer in answers if answer[3]), "")
    return Resolution(addresses, canonical)


async def _in_a_thread(lookup: Lookup, host: str) -> Resolution:
    """Run a look-up in a daemon thread. The executors of the library wait for theirs at the end."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Resolution] = loop.create_future()

    def tell(answer: Resolution | None, error: BaseException | None) -> None:
        if answered.done():
            return  # nobody waits any more
        if error is not None:
            answered.set_exception(error)
        elif answer is not None:
            answered.set_result(answer)

    def ask() -> None:
        answer, error = None, None
        try:
            answer = lookup(host)
        except Exception as raised:  # noqa: BLE001 - it is raised again on the other side
            error = raised
        with suppress(RuntimeError):  # the loop is closed: the process is ending
            loop.call_soon_threadsafe(tell, answer, error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answered


def _retrieve(asking: asyncio.Future[Resolution]) -> None:
    """Mark an error as seen: all who waited may have given up before it came."""
    if not asking.cancelled():
        asking.exception()


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
        return "there is no such name"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "the name server did not answer"
    return (
        "the name is not valid" if isinstance(error, UnicodeError) else (error.strerror or "look-up failed")
    )
