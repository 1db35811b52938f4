"""A call by its path, as a caller words it, to what goes on the wire; and an answer to what is shown of it.

For calls by name see `domain.endpoint`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from integration_hub.domain import url
from integration_hub.domain.endpoint import EndpointCall
from integration_hub.domain.form import FORM, form, scalar

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
BODILESS = frozenset({"GET", "HEAD"})
"""Methods whose data goes into the query."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
OURS = frozenset(
    {"authorization", "cookie", "host", "content-length", "transfer-encoding", "connection", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "upgrade", "expect", "forwarded"}
    | {"traceparent", "tracestate", "set-cookie", "proxy-authenticate", "http2-settings"}
)
"""Headers that are the hub's to set, or that belong to one connection and not to the call."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One call. `endpoint` is a path such as `/user?full=1`, or the name of an endpoint of the provider.

    `data` is the query of a GET and the body of other methods; `parameters` are for a named endpoint.
    """

    endpoint: str = field(repr=False)
    method: str = ""
    data: Any = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def by_path(self) -> bool:
        return self.endpoint.startswith(("/", "?", "#", "\\", ".")) or "://" in self.endpoint


@dataclass(frozen=True, slots=True)
class WordingProblem:
    """What is wrong with a call; `message` begins with the field."""

    message: str


def compose(wording: Wording, default_headers: Mapping[str, str]) -> EndpointCall | WordingProblem:
    """A call by path. `default_headers` are the provider's: they may ask for a form instead of JSON."""
    method = (wording.method or "GET").upper()
    problem = (
        check_path(wording.endpoint)
        or check_headers(wording.headers)
        or ("" if method in METHODS else f"method: {method[:16]!r} is not one of {', '.join(METHODS)}")
        or ("parameters: they belong to a call by name; put them into data" if wording.parameters else "")
    )
    if problem:
        return WordingProblem(problem)
    if wording.data is None:
        return EndpointCall(method, wording.endpoint, headers=dict(wording.headers))
    try:
        written = json.dumps(
            wording.data, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (ValueError, RecursionError):
        return WordingProblem("data: it cannot be written as JSON")
    if method in BODILESS:
        query = flat_query(wording.data)
        if isinstance(query, WordingProblem):
            return query
        return EndpointCall(method, wording.endpoint, query, dict(wording.headers))
    return _with_body(method, wording, written, default_headers)


def _with_body(
    method: str, wording: Wording, written: bytes, default_headers: Mapping[str, str]
) -> EndpointCall | WordingProblem:
    asked = _header(wording.headers, "content-type") or _header(default_headers, "content-type")
    kind = asked.partition(";")[0].strip().lower()
    headers = {name: value for name, value in wording.headers.items() if name.lower() != "content-type"}
    if kind == FORM:
        if not isinstance(wording.data, Mapping):
            return WordingProblem("data: a form is made of an object")
        headers["Content-Type"] = FORM
        return EndpointCall(method, wording.endpoint, headers=headers, body=form(wording.data))
    if kind and kind != "application/json" and not kind.endswith("+json"):
        return WordingProblem(
            f"headers.Content-Type: data is sent as JSON or as a form, not as {kind[:64]}; send other bodies "
            "as they are through the proxy path"
        )
    headers["Content-Type"] = asked or "application/json"
    return EndpointCall(method, wording.endpoint, headers=headers, body=written)


def check_path(path: str) -> str:
    """Why this is no path below a provider's base, or empty. Refuses what could lead elsewhere."""
    if not path.startswith("/") or path.startswith("//"):
        return "endpoint: an absolute address is refused; give the path below the provider's base"
    joined = url.join("https://base.invalid", path)
    target = joined if isinstance(joined, url.UrlProblem) else url.parse(joined, trust="tenant", namespace="")
    return f"endpoint: {target.message}" if isinstance(target, url.UrlProblem) else ""


def check_headers(headers: Mapping[str, str]) -> str:
    """Why these headers may not go out, or empty."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            return f"headers: {name[:64]!r} is no header name"
        if name.lower() in OURS:
            return f"headers.{name}: this header is the hub's own to set"
        if _CONTROL.search(value) or not value.isascii():
            return f"headers.{name}: its value holds a control character or one that is not ASCII"
    return ""


def flat_query(data: Any) -> tuple[tuple[str, str], ...] | WordingProblem:
    """Data of a GET as query parameters: a list repeats its name, null is left out."""
    if not isinstance(data, Mapping):
        return WordingProblem("data: that of a GET is an object of query parameters")
    found: list[tuple[str, str]] = []
    for name, value in data.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping | list):
                return WordingProblem(
                    f"data.{name}: a query parameter is a text, a number, a truth value or a list"
                )
            if each is not None:
                found.append((str(name), scalar(each)))
    return tuple(found)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


# --------------------------------------------------------------------------- answers

Encoding = Literal["json", "text", "base64", "none"]
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16"})
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a character, which JSON can write and nobody can encode."""
_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Shown:
    """A body as it can be put into JSON, and how: `none` where there is no body."""

    data: Any
    encoding: Encoding


def show(body: bytes, content_type: str, *, truncated: bool = False) -> Shown:
    """Decode as the far end declared it, and say what came of it: JSON, text, or base64 of the bytes."""
    if not body:
        return Shown(None, "none")
    kind, _, rest = content_type.lower().partition(";")
    kind = kind.strip()
    if not truncated and (not kind or kind.endswith(("/json", "+json"))):
        try:
            value = json.loads(body, parse_constant=_refuse)
            if _SURROGATE.search(body):
                json.dumps(value, ensure_ascii=False).encode()
            return Shown(value, "json")
        except (ValueError, RecursionError):
            pass  # as it came, then
    text = _text(body, rest)
    return Shown(text, "text") if text is not None else Shown(base64.b64encode(body).decode(), "base64")


def _text(body: bytes, parameters: str) -> str | None:
    match = re.search(r"charset=\"?([a-z0-9_-]+)", parameters)
    charset = match[1] if match is not None and match[1] in _CHARSETS else "utf-8"
    try:
        text = body.decode(charset)
    except UnicodeDecodeError:
        return None
    return None if _BINARY.search(text) else text


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
