"""Name resolution: fixed hosts first, one look-up for all who wait, answers kept for a while."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from integration_hub.adapters.resolve import SystemResolver, system_lookup
from integration_hub.ports import Failure, HttpFailure, Resolution


class Book:
    """A blocking look-up that counts, and can be made to wait or to fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.error = error
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host: str) -> Resolution:
        self.asked.append(host)
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return Resolution(("192.0.2.7",), host)


async def test_a_fixed_host_never_asks_the_system() -> None:
    book = Book()
    resolver = SystemResolver({"Flow.demo.svc.": "127.0.0.1"}, lookup=book)
    assert await resolver.resolve("flow.demo.svc", timeout_seconds=1) == Resolution(("127.0.0.1",))
    assert book.asked == []
    await resolver.close()


async def test_one_look_up_serves_all_who_wait_and_those_who_come_soon_after() -> None:
    book = Book()
    book.gate.clear()
    resolver = SystemResolver(lookup=book)
    waiting = [asyncio.create_task(resolver.resolve("a.example.com", timeout_seconds=5)) for _ in range(5)]
    await asyncio.sleep(0)
    book.gate.set()
    assert set(map(type, await asyncio.gather(*waiting))) == {Resolution}
    await resolver.resolve("a.example.com", timeout_seconds=1)
    assert book.asked == ["a.example.com"]
    await resolver.close()


async def test_an_answer_is_not_kept_for_ever() -> None:
    book = Book()
    resolver = SystemResolver(lookup=book, keep_seconds=0)
    await resolver.resolve("a.example.com", timeout_seconds=1)
    await resolver.resolve("a.example.com", timeout_seconds=1)
    assert len(book.asked) == 2
    await resolver.close()


async def test_the_memory_of_names_is_bounded() -> None:
    book = Book()
    resolver = SystemResolver(lookup=book, keep_names=2)
    for host in ("a", "b", "c", "d"):
        await resolver.resolve(host, timeout_seconds=1)
    await resolver.resolve("a", timeout_seconds=1)
    assert book.asked == ["a", "b", "c", "d", "a"]
    await resolver.close()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "there is no such name"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "the name server did not answer"),
        (OSError(5, "broken"), "broken"),
        (UnicodeError("label too long"), "not valid"),
    ],
)
async def test_a_name_without_an_answer_is_a_value(error: Exception, says: str) -> None:
    resolver = SystemResolver(lookup=Book(error))
    outcome = await resolver.resolve("a.example.com", timeout_seconds=1)
    assert isinstance(outcome, HttpFailure)
    assert outcome.failure is Failure.DNS
    assert says in outcome.message
    assert "a.example.com" in outcome.message
    await resolver.close()


async def test_a_failure_is_not_kept() -> None:
    book = Book(socket.gaierror(socket.EAI_AGAIN, "x"))
    resolver = SystemResolver(lookup=book)
    await resolver.resolve("a.example.com", timeout_seconds=1)
    book.error = None
    assert isinstance(await resolver.resolve("a.example.com", timeout_seconds=1), Resolution)
    await resolver.close()


async def test_a_slow_name_server_meets_the_deadline_and_its_late_error_harms_nobody() -> None:
    book = Book(OSError("late"))
    book.gate.clear()
    resolver = SystemResolver(lookup=book)
    outcome = await resolver.resolve("a.example.com", timeout_seconds=0.05)
    assert isinstance(outcome, HttpFailure)
    assert "was not resolved" in outcome.message
    book.gate.set()
    await asyncio.sleep(0.05)
    await resolver.close()


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    script = (
        "import asyncio, time\n"
        "from integration_hub.adapters.resolve import SystemResolver\n"
        "async def main():\n"
        "    resolver = SystemResolver(lookup=lambda host: time.sleep(600))\n"
        "    print(await resolver.resolve('a.example.com', timeout_seconds=0.05))\n"
        "    await resolver.close()\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert "was not resolved" in ran.stdout
    assert ran.stderr == ""


async def test_no_more_look_ups_at_once_than_there_are_threads() -> None:
    book = Book()
    book.gate.clear()
    resolver = SystemResolver(lookup=book, threads=2)
    waiting = [asyncio.create_task(resolver.resolve(host, timeout_seconds=5)) for host in ("a", "b", "c")]
    await asyncio.sleep(0.05)
    assert book.asked == ["a", "b"]
    book.gate.set()
    assert set(map(type, await asyncio.gather(*waiting))) == {Resolution}
    await resolver.close()


def test_the_system_knows_localhost() -> None:
    assert set(system_lookup("localhost").addresses) & {"127.0.0.1", "::1"}
