"""What a person's browser opens: the page that starts connecting, and the vendor's way back (OAU-03).

Neither has a bearer token. The start page asks for one and binds the journey to this browser with a cookie,
so that nobody can have somebody else's account connected by sending them a link of his own. The way back
proves itself by its state, which is good once, for ten minutes, for one Integration.
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from integration_hub.api.errors import ErrorCode
from integration_hub.api.meta import DNS_LABEL, DNS_SUBDOMAIN
from integration_hub.gateway.errors import Refusal
from integration_hub.gateway.pages import Pages
from integration_hub.gateway.parts import GatewayParts
from integration_hub.gateway.visit import visit_of
from integration_hub.operations.callback import CallbackInput
from integration_hub.operations.connect import ConnectInput
from integration_hub.operations.trail import Trail
from integration_hub.ports import Problem, SecretText

COOKIE = "integration-hub-connect"
_COOKIE_SECONDS = 600
_FORM_BYTES = 32 * 1024
_FORM_SECONDS = 10.0
_NAMESPACE = re.compile(DNS_LABEL).fullmatch
_NAME = re.compile(DNS_SUBDOMAIN).fullmatch
_MOST_PARAMETERS = 32


class BrowserRoutes:
    """Pages; errors too are pages, in words for a person."""

    def __init__(self, parts: GatewayParts) -> None:
        self._authenticator = parts.authenticator
        self._connect = parts.operations.connect
        self._callback = parts.operations.callback
        self._secure = parts.public_url.startswith("https://")
        self._audience = parts.audience
        self._pages = Pages()

    def router(self) -> APIRouter:
        router = APIRouter()
        router.routes.append(Route("/connect/{namespace}/{name}", self.form, methods=["GET"]))
        router.routes.append(Route("/connect/{namespace}/{name}", self.start, methods=["POST"]))
        router.routes.append(Route("/oauth/callback/{slug}", self.back, methods=["GET"]))
        return router

    async def form(self, request: Request) -> Response:
        """Says the same whether there is such an Integration or not."""
        return self._form(request)

    async def start(self, request: Request) -> Response:
        """Who has a right to it is sent on to the vendor."""
        namespace, name = _place(request)
        visit = visit_of(request)
        token = await _token(request)
        caller = await self._authenticator.authenticate(token) if token else None
        if caller is None or isinstance(caller, Problem):
            known = caller or Problem(ErrorCode.UNAUTHENTICATED, "Paste a token.")
            return self._form(request, known)
        visit.caller = caller
        session = SecretText(secrets.token_urlsafe(32))
        asked = ConnectInput(namespace, name, session, Trail(visit.correlation_id))
        answer = await self._connect(caller, asked)
        if isinstance(answer, Problem):
            return self._form(request, answer)
        onward = RedirectResponse(answer.authorize_url, status_code=303)
        onward.set_cookie(
            COOKIE,
            session.reveal(),
            max_age=_COOKIE_SECONDS,
            path="/oauth/callback",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return onward

    async def back(self, request: Request) -> Response:
        """The vendor's answer, by GET; each parameter at most once (RFC 6749 section 3.1)."""
        visit = visit_of(request)
        given = _parameters(request)
        if given is None or not given.get("state"):
            return self._done(
                request, Problem(ErrorCode.INVALID_REQUEST, "This address is for vendors to come back to.")
            )
        cookie = request.cookies.get(COOKIE)
        asked = CallbackInput(
            state=SecretText(given["state"]),
            code=SecretText(given["code"]) if given.get("code") else None,
            slug=request.path_params["slug"],
            issuer=given.get("iss", ""),
            error=given.get("error", ""),
            error_description=given.get("error_description", ""),
            session=SecretText(cookie) if cookie else None,
            trail=Trail(visit.correlation_id),
        )
        answer = await self._callback(None, asked)
        if isinstance(answer, Problem):
            return self._done(request, answer)
        page = self._pages.page(
            "done.html", connected=True, namespace=answer.namespace, name=answer.name, account=answer.account
        )
        page.delete_cookie(COOKIE, path="/oauth/callback", secure=self._secure, httponly=True)
        return page

    # ------------------------------------------------------------------ inside

    def _form(self, request: Request, problem: Problem | None = None) -> Response:
        namespace, name = _place(request)
        return self._pages.page(
            "connect.html",
            problem.code.status if problem is not None else 200,
            namespace=namespace,
            name=name,
            audience=self._audience,
            trouble=problem.details if problem is not None else "",
        )

    def _done(self, request: Request, problem: Problem) -> Response:
        return self._pages.page(
            "done.html",
            problem.code.status,
            connected=False,
            trouble=problem.details,
            way_out=problem.code.way_out,
            correlation_id=visit_of(request).correlation_id,
        )


def _place(request: Request) -> tuple[str, str]:
    """What the path names, if it can be a name at all."""
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    if len(namespace) > 63 or not _NAMESPACE(namespace) or len(name) > 253 or not _NAME(name):
        raise Refusal(Problem(ErrorCode.NOT_FOUND, "There is nothing at this address."))
    return namespace, name


async def _token(request: Request) -> SecretText | None:
    """What was pasted. A body of another kind is refused: only our own form leads here."""
    guard = visit_of(request).body
    if guard is not None:
        guard.open(max_bytes=_FORM_BYTES, seconds=_FORM_SECONDS)
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(Problem(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the form of this page."))
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return None
    text = dict(pairs).get("token", "").strip()
    return SecretText(text) if text and text.isascii() else None


def _parameters(request: Request) -> dict[str, str] | None:
    """The query's parameters; None where one is there twice, or there are far too many."""
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    return found if len(found) == len(pairs) <= _MOST_PARAMETERS else None
