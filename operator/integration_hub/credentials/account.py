"""Whose account was connected: the vendor's own id, which inbound hooks name it by (C-33)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from integration_hub.credentials.oauth_endpoint import OAuthEndpoint, oauth_of
from integration_hub.credentials.presenting import BEARER
from integration_hub.domain import url
from integration_hub.domain.json_text import decoded
from integration_hub.ports import ExpressionError, HttpResponse, Json, Link
from integration_hub.providers import token_request
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.token_answer import Token
from integration_hub.providers.token_request import Setting

VARIABLES = ("body",)
MAX_ID = 253
_log = structlog.get_logger("integration_hub.credentials")


@dataclass(frozen=True, slots=True)
class AccountFinder:
    """Asks by the way that the provider declares."""

    endpoint: OAuthEndpoint

    async def find(self, link: Link, token: Token) -> str:
        """The id; empty where the provider does not say how, or it cannot be learned now."""
        declared = oauth_of(link).account
        if declared is None:
            return ""
        body = await self._asked(link, token, declared.path) if declared.path else token.body
        program = self.endpoint.expressions.compile(declared.id, VARIABLES)
        found = program if isinstance(program, ExpressionError) else program.evaluate({"body": body})
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found):
            return str(found)[:MAX_ID]
        _log.info(
            "account unknown",
            namespace=link.namespace,
            integration=link.key.name,
            provider=link.provider_label,
            reason=found.message if isinstance(found, ExpressionError) else "the id is no text or number",
        )
        return ""

    async def _asked(self, link: Link, token: Token, path: str) -> Json:
        setting = Setting.of(link, {}, self.endpoint.expressions, self.endpoint.timeout_seconds)
        address = setting.address(path)
        if isinstance(address, RequestProblem):
            return None
        made = token_request.post(address, {}, setting)
        if isinstance(made, RequestProblem):
            return None
        place = link.mode.token or BEARER
        value = f"{place.prefix}{token.access_token.reveal()}"
        headers = {name: text for name, text in made.headers.items() if name != "Content-Type"}
        request = replace(made, method="GET", body=b"", headers=headers)
        if place.location == "query":
            request = replace(request, url=url.with_query(request.url, {place.name: value}))
        else:
            request = replace(request, headers={**headers, place.name: value})
        answer = await self.endpoint.egress.send(request)
        if not isinstance(answer, HttpResponse) or answer.status >= 400:
            return None
        return decoded(answer.body)
