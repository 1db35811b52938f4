"""The crossing between two threads: in order, nothing lost, and a broken event stops nothing."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from integration_hub.handlers.feed.inbox import Inbox
from integration_hub.ports import Resource

INTEGRATIONS = Resource("integrationhub.io", "v1alpha1", "integrations", "Integration")


async def test_every_event_crosses_in_order_while_the_loop_serves_others() -> None:
    taken: list[int] = []
    inbox = Inbox(asyncio.get_running_loop(), lambda _resource, _verb, number: taken.append(number))
    turns = 0

    async def bystander() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def send() -> None:
        for number in range(5000):
            inbox.put(INTEGRATIONS, "SEEN", number)

    other = asyncio.create_task(bystander())
    sender = threading.Thread(target=send)
    sender.start()
    while len(taken) < 5000:
        await asyncio.sleep(0.001)
    await inbox.empty()
    sender.join()
    other.cancel()
    assert taken == list(range(5000))
    assert turns > 10
    assert len(inbox) == 0


async def test_one_loop_turn_takes_a_bounded_number() -> None:
    taken: list[Any] = []
    inbox = Inbox(asyncio.get_running_loop(), lambda *event: taken.append(event))
    for number in range(1000):
        inbox.put(INTEGRATIONS, "SEEN", number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < len(taken) < 1000
    assert len(inbox) == 1000 - len(taken)
    await inbox.empty()
    assert len(taken) == 1000


async def test_a_closed_inbox_takes_nothing_and_holds_nobody() -> None:
    taken: list[Any] = []
    inbox = Inbox(asyncio.get_running_loop(), lambda *event: taken.append(event))
    inbox.put(INTEGRATIONS, "SEEN", 1)
    inbox.close()
    inbox.put(INTEGRATIONS, "SEEN", 2)
    assert len(inbox) == 0
    await inbox.empty()
    assert [event[2] for event in taken] == [1]


async def test_empty_returns_at_once_when_nothing_waits() -> None:
    inbox = Inbox(asyncio.get_running_loop(), lambda *_: None)
    async with asyncio.timeout(1):
        await inbox.empty()


def test_a_sender_survives_the_end_of_the_main_loop() -> None:
    loop = asyncio.new_event_loop()

    async def build() -> Inbox:
        return Inbox(asyncio.get_running_loop(), lambda *_: None)

    inbox = loop.run_until_complete(build())
    loop.close()
    inbox.put(INTEGRATIONS, "SEEN", 1)
