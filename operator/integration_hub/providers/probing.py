"""The provider's probe as one Integration would send it."""

from __future__ import annotations

from integration_hub.domain import placeholder
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.ports import CallRequest, Expressions, Link, Purpose
from integration_hub.providers.request import NoProbe, RequestProblem, evaluator, filled_headers


def probe_call(
    link: Link, expressions: Expressions, *, purpose: Purpose = Purpose.PROBE
) -> CallRequest | NoProbe | RequestProblem:
    """What is asked to see whether the connection works.

    `spec.healthCheck.path` is taken as it stands, in place of the provider's own path. The caller
    repeats by itself, so the call is not.
    """
    probe, own = link.provider.probe, link.spec.health_check.path
    if probe is None and own is None:
        return NoProbe()
    path = own if own is not None else _path(link, expressions)
    headers = filled_headers(probe.headers if probe else {}, link.config, expressions)
    if isinstance(path, RequestProblem):
        return path
    if isinstance(headers, RequestProblem):
        return headers
    return CallRequest(
        method=probe.method if probe else "GET",
        path=path,
        headers=headers,
        body=probe.body.encode() if probe else b"",
        purpose=purpose,
        timeout_seconds=link.spec.timeout_seconds,
        retry=False,
        repeatable=True,
        probing=own is None,
    )


def _path(link: Link, expressions: Expressions) -> str | RequestProblem:
    template = link.provider.probe.path if link.provider.probe is not None else "/"
    rendered = placeholder.render_path(template, evaluator(expressions, link.config))
    if isinstance(rendered, PlaceholderProblem):
        return RequestProblem(f"the probe's path cannot be filled: {rendered.message}")
    return rendered
