"""Puts the gateway together: one FastAPI application, without globals, behind its outer steps."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from integration_hub.gateway.bodies import Bodies
from integration_hub.gateway.edge import Edge
from integration_hub.gateway.errors import ErrorAnswers
from integration_hub.gateway.families import routers
from integration_hub.gateway.identity import Identity
from integration_hub.gateway.openapi import describe
from integration_hub.gateway.parts import GatewayParts, Probe


def build_app(parts: GatewayParts) -> FastAPI:
    """The whole application. Nothing is sent, opened or started."""
    app = FastAPI(
        title="Integration Hub",
        version=parts.version or "0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    answers = ErrorAnswers(parts.clock)
    answers.install(app)
    # One flat list in our own order: static paths come before ids, whichever family they are of.
    for router in (_probes(parts), *routers(parts)):
        app.router.routes.extend(router.routes)
    describe(app)
    limits = parts.limits
    # Added last is outermost.
    app.add_middleware(
        Identity,
        authenticator=parts.authenticator,
        answers=answers,
        clock=parts.clock,
        limits=limits,
        metrics=parts.metrics,
    )
    app.add_middleware(
        Bodies,
        max_bytes=limits.body_bytes,
        seconds=limits.body_seconds,
        idle_seconds=limits.body_idle_seconds,
    )
    app.add_middleware(Edge, answers=answers, clock=parts.clock, entropy=parts.entropy, metrics=parts.metrics)
    return app


def _probes(parts: GatewayParts) -> APIRouter:
    """The hub's own probes, here too: for whoever stands before the gateway."""
    router = APIRouter(include_in_schema=False)

    async def live(_: Request) -> Response:
        return _probe(parts.live())

    async def ready(_: Request) -> Response:
        return _probe(parts.ready())

    router.add_route("/healthz", live, methods=["GET"])
    router.add_route("/readyz", ready, methods=["GET"])
    return router


def _probe(told: Probe) -> Response:
    """Whether, and no more: strangers may ask (C-28)."""
    return JSONResponse({"ok": told.ok}, status_code=200 if told.ok else 503)
