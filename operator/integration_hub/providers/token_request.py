"""Requests that ask for a token, from the provider's data: addresses and fields filled and encoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from integration_hub.api.authentication import TokenRequest
from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import placeholder, url
from integration_hub.domain.concealment import concealing
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.ports import Destination, Expressions, HttpRequest, Link, SecretText
from integration_hub.providers.request import RequestProblem, base_url

VARIABLES = ("config", "secret")
"""What a placeholder of a token request may use."""
MAX_ANSWER_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """A checked address, and the authority that credentials go to with it."""

    url: str = field(repr=False)
    authority: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What templates are filled from: whose provider, whose config, whose Secret."""

    provider: ProviderSpec
    namespace: str
    config: Mapping[str, Any]
    secret: Mapping[str, SecretText] = field(repr=False)
    region: str
    hosts: Sequence[str]
    expressions: Expressions
    timeout_seconds: float = 30.0

    @classmethod
    def of(
        cls, link: Link, secret: Mapping[str, SecretText], expressions: Expressions, timeout_seconds: float
    ) -> Setting:
        return cls(
            link.provider,
            link.namespace,
            link.config,
            secret,
            link.spec.region,
            link.hosts,
            expressions,
            timeout_seconds,
        )

    def fill(self, template: str) -> str | RequestProblem:
        """A text with its placeholders filled; what may be said of a failure holds no secret."""
        return self._told(placeholder.render_text(template, self._evaluate))

    def address(self, template: str) -> TokenAddress | RequestProblem:
        """A whole address, or a path below baseUrl, that passes the URL rules and that was agreed to."""
        if template.startswith("/"):
            base = base_url(
                self.provider, config=self.config, region=self.region, expressions=self.expressions
            )
            if isinstance(base, RequestProblem):
                return base
            path = self._told(placeholder.render_path(template, self._evaluate))
            found = path if isinstance(path, RequestProblem) else url.join(base, path)
        else:
            found = self._told(placeholder.render_base_url(template, self._evaluate))
        if isinstance(found, RequestProblem):
            return found
        if isinstance(found, url.UrlProblem):
            return RequestProblem(found.message)
        target = url.parse(found, trust="tenant", namespace=self.namespace)
        if isinstance(target, url.UrlProblem):
            return RequestProblem(f"the address for tokens is refused: {target.message}")
        if self.hosts and target.authority not in self.hosts:
            return RequestProblem(f"nobody agreed that credentials go to {target.authority}")
        return TokenAddress(found, target.authority)

    def texts(self, templates: Mapping[str, str]) -> dict[str, str] | RequestProblem:
        """All of them filled; those that come out empty are left out."""
        filled: dict[str, str] = {}
        for name, template in templates.items():
            value = self.fill(template)
            if isinstance(value, RequestProblem):
                return RequestProblem(f"{name}: {value.message}")
            if value:
                filled[name] = value
        return filled

    def _evaluate(self, source: str) -> Any:
        secret = {name: value.reveal() for name, value in self.secret.items()}
        variables = {"config": dict(self.config), "secret": secret}
        return placeholder.evaluator(self.expressions, variables)(source)

    def _told(self, text: str | PlaceholderProblem) -> str | RequestProblem:
        if isinstance(text, PlaceholderProblem):
            return RequestProblem(concealing(self.secret.values())(text.message))
        return text


def build(
    request: TokenRequest, setting: Setting, *, headers: Mapping[str, str] | None = None
) -> HttpRequest | RequestProblem:
    """A declared request. `headers` are the hub's own and win (a statement sent as bearer)."""
    fields = setting.texts(request.fields)
    if isinstance(fields, RequestProblem):
        return fields
    own = setting.texts(request.headers)
    if isinstance(own, RequestProblem):
        return own
    address = setting.address(request.url)
    if isinstance(address, RequestProblem):
        return address
    if request.basic:
        pair = [setting.secret.get(name, SecretText("")).reveal() for name in ("username", "password")]
        own["Authorization"] = basic(*pair)
    made = post(address, fields, setting, encoding=request.encoding, headers={**own, **(headers or {})})
    if isinstance(made, RequestProblem) or request.method == "POST":
        return made
    return replace(made, method=request.method, body=made.body if fields else b"")


def post(
    address: TokenAddress,
    fields: Mapping[str, str],
    setting: Setting,
    *,
    encoding: str = "form",
    headers: Mapping[str, str] | None = None,
) -> HttpRequest | RequestProblem:
    """A POST of these fields (RFC 6749 appendix B: form-encoded UTF-8, unless the vendor wants JSON)."""
    default = setting.texts(setting.provider.default_headers)
    if isinstance(default, RequestProblem):
        return default
    as_json = encoding == "json"
    body = json.dumps(dict(fields)) if as_json else urlencode(fields)
    given = {
        "Accept": "application/json",
        **default,
        "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
        **(headers or {}),
    }
    return HttpRequest(
        method="POST",
        url=address.url,
        destination=Destination("tenant", setting.namespace),
        headers=_one_of_each(given),
        body=body.encode(),
        timeout_seconds=setting.timeout_seconds,
        max_response_bytes=MAX_ANSWER_BYTES,
    )


def basic(user: str, password: str) -> str:
    """RFC 7617. For OAuth clients the caller form-encodes both first (RFC 6749 section 2.3.1)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _one_of_each(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names differ by letters, not by case: the last one counts."""
    last = {name.lower(): name for name in headers}
    return {name: value for name, value in headers.items() if last[name.lower()] == name}
