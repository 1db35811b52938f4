"""A CallRequest through a Link to one HTTP request: joined to the provider's base and to nothing else.

What costs something and does not change from call to call (the base address and the provider's own
headers, with their placeholders filled) is worked out once for each state of a connection.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.domain import url
from integration_hub.domain.retry import IDEMPOTENCY_KEY
from integration_hub.domain.url import UrlProblem
from integration_hub.ports import CallRequest, Destination, Expressions, HttpRequest, Link, Presented, Purpose
from integration_hub.providers.request import RequestProblem, base_url, filled_headers

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
CORRELATION_ID = "x-correlation-id"

_SMALL = frozenset({Purpose.PROBE, Purpose.TEST, Purpose.TOKEN})
"""Answers that are not worth packing."""

_NOT_THE_CALLERS = frozenset(
    # Credentials and the caller's own session with us
    {"authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie", "x-tenant"}
    # Of one connection, not of the message (RFC 9110, 7.6.1)
    | {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"host", "content-length", "expect", "http2-settings", "accept-encoding"}
    # Who came before us, and what would make the method another than it is
    | {"forwarded", "via", "x-real-ip", "x-http-method", "x-http-method-override", "x-method-override"}
    # Ours
    | {"traceparent", "tracestate", "baggage", "x-correlation-id"}
)
_PREFIXES_NOT_THE_CALLERS = ("x-forwarded-", "proxy-", "sec-")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Ground:
    """What all calls of a connection begin with: the base address, its target, the provider's headers.

    Header names are in lower case, here as in all that is made of it.
    """

    base: str
    target: url.Target
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A call that may be sent, but for its credentials: checked, joined, its headers sorted out."""

    request: CallRequest
    host: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    destination: Destination
    timeout_seconds: float
    gzip: bool


class Composer:
    """Makes requests; remembers the ground of the `remember` connections used last."""

    def __init__(self, expressions: Expressions, *, remember: int = 4_096) -> None:
        self._expressions = expressions
        self._remember = remember
        self._grounds: OrderedDict[tuple[str, int, str, int], Ground] = OrderedDict()

    def ground(self, link: Link) -> Ground | RequestProblem:
        """See `Ground`. What cannot be filled is not remembered."""
        key = (link.uid, link.generation, link.provider_uid, link.provider_generation)
        known = self._grounds.get(key)
        if known is not None:
            self._grounds.move_to_end(key)
            return known
        ground = self._laid(link)
        if isinstance(ground, Ground):
            self._grounds[key] = ground
            if len(self._grounds) > self._remember:
                self._grounds.popitem(last=False)
        return ground

    def _laid(self, link: Link) -> Ground | RequestProblem:
        base = base_url(
            link.provider, config=link.config, region=link.spec.region, expressions=self._expressions
        )
        if isinstance(base, RequestProblem):
            return base
        target = url.parse(base, trust="tenant", namespace=link.namespace)
        if isinstance(target, UrlProblem):
            return RequestProblem(f"the provider's address is refused: {target.message}")
        if link.hosts and target.authority not in link.hosts:
            return RequestProblem(f"nobody agreed that credentials go to {target.authority}")
        headers = filled_headers(link.provider.default_headers, link.config, self._expressions)
        if isinstance(headers, RequestProblem):
            return headers
        return Ground(base, target, {name.lower(): value for name, value in headers.items()})

    def draft(self, link: Link, request: CallRequest) -> Draft | RequestProblem:
        """What all attempts of a call have in common. The caller's headers win over the provider's."""
        problem = check(request)
        if problem:
            return RequestProblem(problem)
        ground = self.ground(link)
        if isinstance(ground, RequestProblem):
            return ground
        address = url.join_below(ground.base, request.path, request.query)
        if isinstance(address, UrlProblem):
            return RequestProblem(address.message)
        headers = {**ground.headers, **callers_headers(request.headers)}
        if request.idempotency_key:
            headers[IDEMPOTENCY_KEY] = request.idempotency_key
        return Draft(
            request=request,
            host=ground.target.host,
            url=address,
            headers=headers,
            destination=Destination("tenant", link.namespace),
            timeout_seconds=request.timeout_seconds or float(link.spec.timeout_seconds),
            gzip=request.purpose not in _SMALL and request.method != "HEAD" and "range" not in headers,
        )


def compose(draft: Draft, presented: Presented, added: Mapping[str, str]) -> HttpRequest:
    """The whole request, unsigned. Credentials win over what the hub adds (`added`), that over the rest."""
    secret_headers = {name.lower(): value.reveal() for name, value in presented.headers.items()}
    address = draft.url
    if presented.query:
        address = url.with_query(address, {name: each.reveal() for name, each in presented.query.items()})
    return HttpRequest(
        method=draft.request.method,
        url=address,
        destination=draft.destination,
        headers={**draft.headers, **added, **secret_headers},
        body=draft.request.body,
        timeout_seconds=draft.timeout_seconds,
        max_response_bytes=draft.request.max_response_bytes,
        gzip=draft.gzip,
    )


def check(request: CallRequest) -> str:
    """Why this cannot be put on the wire as one request, or empty. Never repeats a value."""
    if request.method not in METHODS:
        return f"the method must be one of {', '.join(sorted(METHODS))}"
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            return "a header has an invalid name"
        if not _HEADER_VALUE.fullmatch(value):
            return f"the value of header {name} holds a line break or a character that cannot be sent"
    if request.idempotency_key and not _KEY.fullmatch(request.idempotency_key):
        return "the idempotency key must be 1 to 255 visible ASCII characters"
    return ""


def callers_headers(given: Mapping[str, str]) -> dict[str, str]:
    """The headers that are a caller's to choose, in lower case; the others are dropped without a word.

    A header that `Connection` names belongs to the connection to us and is dropped as well.
    """
    kept = {name.lower(): value for name, value in given.items()}
    named = kept.get("connection", "")
    dropped = {part.strip().lower() for part in named.split(",")} if named else frozenset[str]()
    return {
        name: value
        for name, value in kept.items()
        if name not in _NOT_THE_CALLERS
        and name not in dropped
        and not name.startswith(_PREFIXES_NOT_THE_CALLERS)
    }
