"""Who is at the door. Default deny: without a valid token only PUBLIC is served."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated, NoReturn

from fastapi import Depends, Header, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import DNS_LABEL
from integration_hub.domain import product_key
from integration_hub.gateway.errors import ErrorAnswers, Refusal
from integration_hub.gateway.limits import Buckets, bucket_of_address
from integration_hub.gateway.parts import GatewayLimits, GatewayMetrics, Network
from integration_hub.gateway.visit import Visit, visit_in, visit_of
from integration_hub.ports import Authenticator, Caller, Clock, Problem, SecretText

PROBES = ("/healthz", "/readyz")
PUBLIC: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("GET", re.compile("|".join(PROBES))),
    ("HEAD", re.compile("|".join(PROBES))),
    # The browser comes back from the vendor with a state that was given to an authorised caller, once.
    ("GET", re.compile(r"/oauth/callback/[^/]+")),
    # A page that shows nothing but a form; what is sent with it is authenticated by the route itself.
    ("GET", re.compile(r"/connect/[^/]+/[^/]+")),
    ("POST", re.compile(r"/connect/[^/]+/[^/]+")),
)
"""What is served without a bearer token, and why."""

TENANT = "X-Tenant"
PRODUCT_KEY = "X-API-Key"
"""Where a product may send its key instead of Authorization."""
_NAMESPACE = re.compile(DNS_LABEL).fullmatch
_MAX_TOKEN = 16 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]+").fullmatch
"""One word: of several the API server judges the first, and each further one would make it a new token."""


class Identity:
    """ASGI middleware: address → token → Caller, each with its rate. Sets `visit.caller`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        answers: ErrorAnswers,
        clock: Clock,
        limits: GatewayLimits,
        metrics: GatewayMetrics | None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._answers = answers
        self._limits = limits
        self._metrics = metrics
        self._strangers = Buckets(
            clock, rate=limits.address_rate, burst=limits.address_burst, remembered=limits.remembered
        )
        self._callers = Buckets(
            clock, rate=limits.caller_rate, burst=limits.caller_burst, remembered=limits.remembered
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a WebSocket would slip past every step: none is served
        problem = await self._enter(scope, visit_in(scope))
        if problem is not None:
            await self._answers.answer(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _enter(self, scope: Scope, visit: Visit) -> Problem | None:
        """None if the request may go on."""
        headers = Headers(scope=scope)
        visit.address = client_address(scope, headers, self._limits.trusted_proxies)
        if self._limits.allowed and not _within(visit.address, self._limits.allowed):
            return self._refuse("address", Problem(ErrorCode.FORBIDDEN, "This address is not allowed here."))
        if scope["path"] in PROBES and _public(scope):
            return None  # they cost nothing and tell nothing; whoever asks often must not shut others out
        if _public(scope):
            return self._stranger(visit)
        wait = self._strangers.wait(bucket_of_address(visit.address))
        if wait:
            return self._refuse("rate", _slower(wait))
        caller = await self._authenticate(headers)
        if isinstance(caller, Problem):
            if caller.code is ErrorCode.UNAUTHENTICATED:
                self._stranger(visit)
                return self._refuse("authentication", caller)
            return caller
        visit.caller = caller
        wait = self._callers.take(caller.user)
        return self._refuse("rate", _slower(wait)) if wait else None

    async def _authenticate(self, headers: Headers) -> Caller | Problem:
        given, keys = headers.getlist("authorization"), headers.getlist(PRODUCT_KEY)
        if keys and (not given or any(product_key.claims_to_be(each) for each in keys)):
            return await self._by_key(given, keys)
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or len(token) > _MAX_TOKEN or not _TOKEN(token):
            return Problem(ErrorCode.UNAUTHENTICATED, "Send one Authorization header: Bearer and a token.")
        return await self._authenticator.authenticate(SecretText(token))

    async def _by_key(self, given: list[str], keys: list[str]) -> Caller | Problem:
        """X-API-Key names a product and nobody else: any other token belongs into Authorization.

        Beside an Authorization it is the caller's own header for an outside system, which a product's key
        must never reach.
        """
        key = keys[0].strip() if len(keys) == 1 and not given else ""
        if not product_key.claims_to_be(key) or len(key) > _MAX_TOKEN or not _TOKEN(key):
            return Problem(
                ErrorCode.UNAUTHENTICATED,
                f"Send one header: Authorization, or {PRODUCT_KEY} with a product's key.",
            )
        return await self._authenticator.authenticate(SecretText(key))

    def _stranger(self, visit: Visit) -> Problem | None:
        wait = self._strangers.take(bucket_of_address(visit.address))
        return self._refuse("rate", _slower(wait)) if wait else None

    def _refuse(self, why: str, problem: Problem) -> Problem:
        if self._metrics is not None:
            self._metrics.count_refusal(why)
        return problem


def client_address(scope: Scope, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """The address that a request comes from: the nearest one that is not one of our proxies."""
    client = scope.get("client")
    address = client[0] if client else ""
    if not trusted or not _within(address, trusted):
        return address
    # A proxy may write a line of its own below one that the caller sent (RFC 9110 section 5.3: one list).
    for each in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
        hop = each.strip()
        if not _is_address(hop):
            break  # nonsense: whoever wrote it is not to be believed further
        address = hop
        if not _within(hop, trusted):
            break
    return address


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    if not _is_address(address):
        return False
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _public(scope: Scope) -> bool:
    return any(
        scope["method"] == method and path.fullmatch(scope["path"]) is not None for method, path in PUBLIC
    )


def _slower(wait: float) -> Problem:
    return Problem(ErrorCode.RATE_LIMIT_EXCEEDED, "Too many requests: ask again later.", wait)


# --------------------------------------------------------------------------- what routes are given


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and in which namespace ("" where none was named)."""

    caller: Caller
    namespace: str
    correlation_id: str
    trace: dict[str, str] = field(default_factory=dict)
    explicit: bool = False
    """Whether the request itself named the namespace (path or header), not only the token."""

    def within(self, namespace: str) -> Asked:
        """The same in a namespace that the body names; refused where path or header named another."""
        if not _NAMESPACE(namespace) or len(namespace) > 63:
            _no(ErrorCode.INVALID_REQUEST, "projectId: must be the name of a namespace")
        if self.explicit and self.namespace != namespace:
            _no(
                ErrorCode.INVALID_REQUEST,
                f"projectId: differs from the namespace {self.namespace} named elsewhere",
            )
        return Asked(self.caller, namespace, self.correlation_id, self.trace, explicit=True)


_Tenant = Annotated[
    str | None,
    Header(description="Namespace (tenant, workspace, project) to work in; the token's own by default."),
]


async def maybe_asking(request: Request, x_tenant: _Tenant = None) -> Asked:
    """Who asks; the namespace may be empty. A coroutine, since others are run in threads."""
    visit = visit_of(request)
    if visit.caller is None:
        _no(ErrorCode.UNAUTHENTICATED, "Send a bearer token.")
    in_path = request.path_params.get("workspaceId") or request.path_params.get("projectId") or ""
    named = {each for each in (in_path, x_tenant or "") if each}
    if len(named) > 1:
        _no(ErrorCode.INVALID_REQUEST, f"{TENANT} names another namespace than the path does.")
    namespace = next(iter(named), visit.caller.namespace)
    if namespace and (not _NAMESPACE(namespace) or len(namespace) > 63):
        _no(ErrorCode.INVALID_REQUEST, f"{TENANT} or the path: no name of a namespace.")
    trace = {name: value for name in ("traceparent", "tracestate") if (value := request.headers.get(name))}
    return Asked(visit.caller, namespace, visit.correlation_id, trace, explicit=bool(named))


async def asking(request: Request, x_tenant: _Tenant = None) -> Asked:
    """Who asks, in a namespace."""
    asked = await maybe_asking(request, x_tenant)
    if not asked.namespace:
        _no(
            ErrorCode.NAMESPACE_REQUIRED,
            f"Name a namespace in the header {TENANT}: the token belongs to none.",
        )
    return asked


async def asking_in(request: Request) -> Asked:
    """The same for a route that reads its request itself."""
    return await asking(request, request.headers.get(TENANT))


MaybeAsking = Annotated[Asked, Depends(maybe_asking)]
Asking = Annotated[Asked, Depends(asking)]


def _no(code: ErrorCode, details: str) -> NoReturn:
    raise Refusal(Problem(code, details))
