"""A provider, a config and credentials to one HTTP request: addresses rendered, checked and joined.

Pure but for the expression engine. What comes out has passed the URL rules; egress applies them
again, together with the address table, when the request is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integration_hub.api.provider import ProviderSpec
from integration_hub.domain import placeholder, url
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.domain.url import UrlProblem
from integration_hub.ports import Destination, Expressions, HttpRequest
from integration_hub.providers.auth import Applied


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """Why no request can be made of this provider and config; `message` is for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class NoProbe:
    """The provider declares no probe."""


def base_url(
    spec: ProviderSpec, *, config: Mapping[str, Any], region: str = "", expressions: Expressions
) -> str | RequestProblem:
    """The root of every call: the region's address, or `spec.baseUrl` with its placeholders filled."""
    if region:
        if region not in spec.regions:
            known = ", ".join(sorted(spec.regions)) or "none"
            return RequestProblem(f"spec.region {region} is not one of the provider's regions ({known})")
        return spec.regions[region]
    rendered = placeholder.render_base_url(spec.base_url, evaluator(expressions, config))
    if isinstance(rendered, PlaceholderProblem):
        return RequestProblem(f"the provider's baseUrl cannot be filled: {rendered.message}")
    return rendered


def filled_url(template: str, *, config: Mapping[str, Any], expressions: Expressions) -> str | RequestProblem:
    """Another address of the provider, such as its token endpoint, with its placeholders filled."""
    rendered = placeholder.render_base_url(template, evaluator(expressions, config))
    if isinstance(rendered, PlaceholderProblem):
        return RequestProblem(f"an address of the provider cannot be filled: {rendered.message}")
    return rendered


def filled_headers(
    templates: Mapping[str, str], config: Mapping[str, Any], expressions: Expressions
) -> dict[str, str] | RequestProblem:
    """Headers with their placeholders filled; of two names that differ by case the later one stays."""
    return _headers(templates, evaluator(expressions, config))


def probe_request(
    spec: ProviderSpec,
    *,
    config: Mapping[str, Any],
    auth: Applied,
    namespace: str,
    expressions: Expressions,
    region: str = "",
    path: str | None = None,
    timeout_seconds: float = 30.0,
) -> HttpRequest | NoProbe | RequestProblem:
    """The provider's probe as this Integration would send it.

    `config`: with defaults applied. `path`: `spec.healthCheck.path`, taken as it stands instead of
    the provider's own path.
    """
    probe = spec.probe
    if probe is None and path is None:
        return NoProbe()
    template = path if path is not None else (probe.path if probe else "/")
    return build(
        spec,
        method=probe.method if probe else "GET",
        path=template,
        literal_path=path is not None,
        headers=probe.headers if probe else {},
        body=probe.body.encode() if probe else b"",
        config=config,
        auth=auth,
        namespace=namespace,
        expressions=expressions,
        region=region,
        timeout_seconds=timeout_seconds,
    )


def build(
    spec: ProviderSpec,
    *,
    method: str,
    path: str,
    config: Mapping[str, Any],
    auth: Applied,
    namespace: str,
    expressions: Expressions,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    region: str = "",
    literal_path: bool = False,
    timeout_seconds: float = 30.0,
) -> HttpRequest | RequestProblem:
    """Any call to the provider. Credentials win over the call's headers, those over the provider's."""
    evaluate = evaluator(expressions, config)
    base = base_url(spec, config=config, region=region, expressions=expressions)
    if isinstance(base, RequestProblem):
        return base
    rendered = path if literal_path else placeholder.render_path(path, evaluate)
    if isinstance(rendered, PlaceholderProblem):
        return RequestProblem(f"the path cannot be filled: {rendered.message}")
    joined = url.join(base, rendered)
    if isinstance(joined, UrlProblem):
        return RequestProblem(joined.message)
    target = url.parse(joined, trust="tenant", namespace=namespace)
    if isinstance(target, UrlProblem):
        return RequestProblem(f"the address is refused: {target.message}")
    filled = _headers({**spec.default_headers, **(headers or {})}, evaluate)
    if isinstance(filled, RequestProblem):
        return filled
    return HttpRequest(
        method=method,
        url=url.with_query(joined, {name: value.reveal() for name, value in auth.query.items()}),
        destination=Destination("tenant", namespace),
        headers=_override(filled, {name: value.reveal() for name, value in auth.headers.items()}),
        body=body,
        timeout_seconds=timeout_seconds,
    )


def _headers(templates: Mapping[str, str], evaluate: placeholder.Evaluate) -> dict[str, str] | RequestProblem:
    filled: dict[str, str] = {}
    for name, template in templates.items():
        value = placeholder.render_text(template, evaluate)
        if isinstance(value, PlaceholderProblem):
            return RequestProblem(f"the header {name} cannot be filled: {value.message}")
        if value:  # one that comes out empty is not meant for this config
            filled = _override(filled, {name: value})
    return filled


def _override(base: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    """Header names differ by letters only, not by case: the later one replaces the earlier."""
    replaced = {name.lower() for name in over}
    return {**{name: value for name, value in base.items() if name.lower() not in replaced}, **over}


def evaluator(expressions: Expressions, config: Mapping[str, Any]) -> placeholder.Evaluate:
    """Bind CEL to one config."""
    return placeholder.evaluator(expressions, {"config": dict(config)})
