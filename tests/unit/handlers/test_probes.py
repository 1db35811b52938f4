"""The probe server: the three paths, their statuses, and a port that is free again after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from integration_hub.handlers.probes import ProbeServer
from integration_hub.runtime.health import FeedFacts, Health, LoopLag
from virtual_time import VirtualClock


class Switchboard:
    def __init__(self) -> None:
        self.synced = True
        self.registry = CollectorRegistry()
        self.health = Health(
            LoopLag(VirtualClock()),
            synced=lambda: self.synced,
            lag=lambda: None,
            feed=lambda: FeedFacts(alive=True, good_age=0.0, detail="fine"),
        )
        self.server = ProbeServer(self.health, self.registry, host="127.0.0.1", port=0)

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status, response.headers["Content-Type"], await response.text()


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    board = Switchboard()
    await board.server.start()
    yield board
    await board.server.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_healthy_process_answers_200_with_its_checks(switchboard: Switchboard, path: str) -> None:
    status, kind, body = await switchboard.get(path)
    assert status == 200
    assert kind.startswith("application/json")
    assert '"ok": true' in body


async def test_an_unready_process_answers_503_on_readyz_only(switchboard: Switchboard) -> None:
    switchboard.synced = False
    assert (await switchboard.get("/readyz"))[0] == 503
    assert (await switchboard.get("/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("text/plain", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
)
async def test_metrics_speak_both_formats(switchboard: Switchboard, accept: str, kind: str) -> None:
    Counter("integration_hub_example", "An example.", registry=switchboard.registry).inc(3)
    status, told, body = await switchboard.get("/metrics", Accept=accept)
    assert status == 200
    assert told.startswith(kind)
    assert "integration_hub_example_total 3.0" in body


@pytest.mark.parametrize("path", ["/", "/debug", "/healthz/x"])
async def test_nothing_else_is_served(switchboard: Switchboard, path: str) -> None:
    assert (await switchboard.get(path))[0] == 404


async def test_a_taken_port_is_an_error_and_leaves_nothing_behind(switchboard: Switchboard) -> None:
    second = ProbeServer(
        switchboard.health, switchboard.registry, host="127.0.0.1", port=switchboard.server.port
    )
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


async def test_the_port_is_free_again_after_stop_even_with_a_client_attached() -> None:
    board = Switchboard()
    await board.server.start()
    port = board.server.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await board.server.stop()
    again = ProbeServer(board.health, board.registry, host="127.0.0.1", port=port)
    await again.start()
    await again.stop()
    writer.close()
