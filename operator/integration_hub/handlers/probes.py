"""The door for kubelet and Prometheus: /healthz, /readyz and /metrics on a port of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from integration_hub.runtime.health import Health, Report

_SHUTDOWN_SECONDS = 1.0
_MAX_BODY = 1024


class ProbeServer:
    """Serves until `stop`. In the main event loop on purpose: if that is stuck, the kubelet hears nothing."""

    def __init__(self, health: Health, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._health = health
        self._registry = registry
        self._host = host
        self._wanted_port = port
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port in use, once started (of interest where 0 was asked for)."""

    async def start(self) -> None:
        """Open the port. Raises OSError where it is taken."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/healthz", _probe(self._health.live))
        app.router.add_get("/readyz", _probe(self._health.ready))
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=15.0,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._wanted_port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # 10,000 objects are 10,000 lines, a tenth of a second and more: not in the event loop.
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _probe(report: Callable[[], Report]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        told = report()
        return web.json_response(
            told.to_json(), status=200 if told.ok else 503, headers={"Cache-Control": "no-store"}
        )

    return answer
