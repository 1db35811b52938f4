"""URLs: what may be asked for, decided on the text alone, before anything is resolved.

The rules are stricter than RFC 3986 on purpose. A URL that two parsers could read in two ways
(odd spellings of IPv4, userinfo, backslashes, control characters, dot segments) is refused, not
repaired, so what was checked is what is connected to.

Some URLs are fine only if the administrator's allow-list covers every address they resolve to:
plain `http` to an outside host, a product at an IP address or outside its own namespace. That is
carried along as `Target.needs_listing`, because addresses are known only later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from integration_hub.domain.address import Address, Trust, parse_literal

MAX_LENGTH = 2048
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_UNSAFE = re.compile(r"[^\x21-\x7e]|[\\<>\"^`{}|]")
_UNSAFE_MESSAGE = (
    'the URL holds a blank, a control character, a non-ASCII letter or one of \\ < > " ^ ` { | }: '
    "percent-encode it (a host name: in its xn-- form)"
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SERVICE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_DOT_SEGMENT = re.compile(r"(^|[/\\])\.{1,2}(;[^/\\]*)?([/\\]|$)")
"""With a parameter as well: some servers drop it before they resolve the path."""
_LAYERS = 3
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL_ESCAPE = re.compile(r"%(?:[01][0-9A-Fa-f]|7[fF]|5[cC])")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_INSIDE = ("localhost", "local", "internal", "svc", "home.arpa", "lan", "intranet", "corp", "private")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed the rules.

    `host` is lower-case, without brackets or final dot, a product's Service in its full form;
    `path` the path and query as they go on the wire; `literal` the address if the host is one;
    `needs_listing` why only the allow-list can open it, or empty.
    """

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None = None
    needs_listing: str = ""

    @property
    def authority(self) -> str:
        """What goes into the Host header: brackets for IPv6, the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        """Without the query, which may hold a key."""
        return self.origin + self.path.partition("?")[0]


@dataclass(frozen=True, slots=True)
class UrlProblem:
    """Why a URL is refused and what to write instead. Never repeats userinfo or a query."""

    message: str


def parse(
    url: str, *, trust: Trust, namespace: str, cluster_domain: str = "cluster.local"
) -> Target | UrlProblem:
    """Apply every rule that needs no name resolution.

    `trust` and `namespace` say whose URL it is (see `ports.Destination`).
    """
    if len(url) > MAX_LENGTH:
        return UrlProblem(f"the URL is longer than {MAX_LENGTH} characters")
    if _UNSAFE.search(url):
        return UrlProblem(_UNSAFE_MESSAGE)
    match = _URL.fullmatch(url)
    if match is None:
        return UrlProblem("the URL must be absolute, as in https://api.example.com/v1")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        return UrlProblem(f"the scheme {scheme!r} is not supported: use https")
    place = _split_authority(match["authority"], _DEFAULT_PORTS[scheme])
    if isinstance(place, UrlProblem):
        return place
    path = _check_path(match["rest"])
    if isinstance(path, UrlProblem):
        return path
    host, port = place
    literal = parse_literal(host)
    target = Target(scheme, host, port, path, literal)
    if trust == "product":
        return _product(target, namespace, cluster_domain)
    return _administrator(target) if trust == "administrator" else _tenant(target)


def _split_authority(authority: str, default_port: int) -> tuple[str, int] | UrlProblem:
    if "@" in authority:
        return UrlProblem("a user name or password in the URL is refused: put credentials into the Secret")
    if authority.startswith("["):
        host, bracket, port_text = authority[1:].partition("]")
        if not bracket or (port_text and not port_text.startswith(":")):
            return UrlProblem("the IPv6 address in the URL is not closed by a bracket")
        port_text = port_text[1:] if port_text else ""
        explicit_port = authority.endswith(":") or bool(port_text)
        literal = parse_literal(host)
        if literal is None or literal.version != 6:
            return UrlProblem("what stands in brackets is not an IPv6 address (zones are refused)")
        host = str(literal)
    else:
        host, colon, port_text = authority.partition(":")
        explicit_port = bool(colon)
        problem = _check_name(host)
        if problem:
            return UrlProblem(problem)
        host = host.lower().removesuffix(".")
    if not explicit_port:
        return host, default_port
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or not 1 <= int(port_text) <= 65_535:
        return UrlProblem("the port in the URL is not a number from 1 to 65535")
    return host, int(port_text)


def _check_name(host: str) -> str:
    """What is wrong with a host that is not in brackets, or empty."""
    labels = host.lower().removesuffix(".").split(".")
    if not host or len(host) > 253 or any(not _LABEL.fullmatch(label) for label in labels):
        return "the URL has no valid host name"
    if _NUMBER.fullmatch(labels[-1]) and parse_literal(host) is None:
        return (
            "the host ends in a number but is not an IPv4 address in its usual form: short, octal, decimal "
            "and hexadecimal spellings are refused"
        )
    return ""


def _check_path(rest: str) -> str | UrlProblem:
    if "#" in rest:
        return UrlProblem("the URL has a fragment (#…), which is never sent: remove it")
    path, question, query = rest.partition("?")
    if _climbs(path):
        return UrlProblem("the path of the URL has a . or .. segment: write it out")
    if _BROKEN_ESCAPE.search(rest):
        return UrlProblem("the URL has a % that starts no escape: write %25")
    if _CONTROL_ESCAPE.search(path):
        return UrlProblem("the path of the URL escapes a control character or a backslash: remove it")
    return (path or "/") + question + query


def _climbs(path: str) -> bool:
    """Whether a dot segment shows, however often somebody on the way decodes the path."""
    for _ in range(_LAYERS):
        if _DOT_SEGMENT.search(path):
            return True
        decoded = unquote(path) if "%" in path else path
        if decoded == path:
            return False
        path = decoded
    return _DOT_SEGMENT.search(path) is not None


def _tenant(target: Target) -> Target:
    """An outside system: https, a public name, a usual port; the rest only if listed."""
    reason = ""
    if target.scheme == "http":
        reason = "plain http sends credentials in the clear: use https"
    elif target.port < 1024 and target.port != 443:
        reason = f"port {target.port} is not one that web APIs use"
    elif target.literal is None and _looks_internal(target.host):
        reason = f"{target.host} is a name inside a network, not a public one"
    return _with(target, needs_listing=reason)


def _administrator(target: Target) -> Target:
    """What the hub's settings name: any host, but nothing in the clear unless listed."""
    reason = "plain http may be read and changed on its way: use https" if target.scheme == "http" else ""
    return _with(target, needs_listing=reason)


def _looks_internal(host: str) -> bool:
    return "." not in host or host.endswith(tuple(f".{suffix}" for suffix in _INSIDE)) or ".svc." in host


def _product(target: Target, namespace: str, cluster_domain: str) -> Target | UrlProblem:
    """A Service of the product's own namespace, in any of its three spellings; the rest only if listed."""
    if target.literal is not None:
        return _with(
            target, needs_listing="a product is reached by the name of its Service, not by an IP address"
        )
    name, dot, suffix = target.host.partition(".")
    own = ("", f"{namespace}.svc", f"{namespace}.svc.{cluster_domain}")
    if (dot and not suffix) or suffix not in own:
        return _with(
            target,
            needs_listing=f"{target.host} is not a Service of namespace {namespace}: write the Service's "
            f"name, as in http://my-service:8080/health",
        )
    if not _SERVICE.fullmatch(name):
        return UrlProblem(f"{name!r} cannot be the name of a Service")
    return _with(target, host=f"{name}.{namespace}.svc")


def _with(target: Target, *, host: str = "", needs_listing: str = "") -> Target:
    return Target(target.scheme, host or target.host, target.port, target.path, target.literal, needs_listing)


def join(base: str, path: str) -> str | UrlProblem:
    """Append a path (with its query, if any) to a base URL as both are written.

    `join("https://h/api/v4/", "/user")` is `https://h/api/v4/user`: the base keeps its path. An
    empty path gives the base itself. The result is not yet checked: give it to `parse`.
    """
    if "?" in base or "#" in base:
        return UrlProblem("the base URL must not have a query or a fragment")
    if not path:
        return base
    if not path.startswith("/") or path.startswith("//"):
        return UrlProblem("the path must start with one slash, as in /v1/me")
    return base.rstrip("/") + path


def join_below(base: str, path: str, query: Sequence[tuple[str, str]] = ()) -> str | UrlProblem:
    """As `join`, with the query added, for a base that `parse` has passed: what is appended is judged here.

    What follows a base's authority can name no other host; the rules of `parse` keep it below its path.
    """
    joined = join(base, path)
    if isinstance(joined, UrlProblem):
        return joined
    whole = with_query(joined, query)
    if len(whole) > MAX_LENGTH:
        return UrlProblem(f"the URL is longer than {MAX_LENGTH} characters")
    if _UNSAFE.search(path):
        return UrlProblem(_UNSAFE_MESSAGE)
    problem = _check_path(path)
    return problem if isinstance(problem, UrlProblem) else whole


def with_query(url: str, parameters: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """Add percent-encoded parameters to the URL's query, after those it has."""
    if not parameters:
        return url
    pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return f"{url}{'&' if '?' in url else '?'}{added}"
