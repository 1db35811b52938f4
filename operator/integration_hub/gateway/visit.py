"""One request on its way: what the outer steps learned and the inner ones need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from integration_hub.ports import Caller

if TYPE_CHECKING:
    from integration_hub.gateway.bodies import BodyGuard

_KEY = "integration_hub.visit"


class PeerGoneError(ConnectionResetError):
    """An answer was sent to a peer that had hung up. No bug, and nobody is left to be told."""


@dataclass(slots=True)
class Visit:
    """`address` is the client's, behind proxies that are trusted; `caller` is set by identity."""

    correlation_id: str
    address: str = ""
    caller: Caller | None = None
    body: BodyGuard | None = field(default=None, repr=False)

    @property
    def caller_kind(self) -> str:
        return self.caller.kind if self.caller is not None else "none"


def begin(scope: Any, visit: Visit) -> None:
    """Attach it to an ASGI scope."""
    scope[_KEY] = visit


def visit_in(scope: Mapping[str, Any]) -> Visit:
    """The visit of an ASGI scope."""
    visit: Visit = scope[_KEY]
    return visit


def visit_of(request: HTTPConnection) -> Visit:
    return visit_in(request.scope)
