"""The gateway of a GatewayStage at a real address, in a thread with its own loop: for clients that block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from eventually import eventually
from gateway_stage import GatewayStage


@contextmanager
def served(stage: GatewayStage) -> Iterator[str]:
    """Serve it on a port that the system picks; yields its URL."""
    config = uvicorn.Config(stage.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, "the gateway is served", seconds=30)
        (listener,) = server.servers
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the gateway goes on"
