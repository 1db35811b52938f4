"""AWS Signature Version 4: a finished request to a signed one.

Own code over the standard library, checked against the vendor's own signer. Source: AWS, "Create a
signed AWS API request" (IAM User Guide), "Authorization Header" (Amazon S3 API Reference).

The body is hashed whole. One that is streamed is never held in memory only to be hashed: it goes as
`UNSIGNED-PAYLOAD`, for which TLS has to vouch, unless who sends it knows its hash and says so in the header
`x-amz-content-sha256`. The chunked scheme (`STREAMING-…`) is not used: it needs the body's length, and each
chunk signed, and proves nothing more than TLS does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

from integration_hub.ports import HttpRequest, SecretText, Signer

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
CONTENT_HASH = "x-amz-content-sha256"
_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset({"authorization", "connection", "expect", "user-agent", "x-amzn-trace-id"})
"""What proxies and our own transport may change on the way."""
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """An access key; `session_token` for temporary ones."""

    access_key_id: str
    secret_access_key: SecretText = field(repr=False)
    session_token: SecretText | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for. S3 alone reads paths as they stand; all others encode them twice."""

    service: str
    region: str


def signer(keys: AwsKeys, scope: Scope) -> Signer:
    """A function that signs requests with these keys at the time it is given."""

    def sign_at(request: HttpRequest, moment: datetime) -> HttpRequest:
        return sign(request, keys, scope, moment)

    return sign_at


def sign(request: HttpRequest, keys: AwsKeys, scope: Scope, moment: datetime) -> HttpRequest:
    """The request with `X-Amz-Date`, `Authorization` and what else the scheme wants.

    A signature that it already carries is replaced, so a retry is signed anew.
    """
    stamp = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = _prepared(request, keys, scope, stamp)
    signed = {name.lower(): value for name, value in headers.items() if name.lower() not in _UNSIGNED}
    signed["host"] = _authority(request.url)
    names = ";".join(sorted(signed))
    payload = _header(headers, CONTENT_HASH) or _payload(request)
    canonical = _canonical(request, signed, names, payload, scope)
    within = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, within, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_signing_key(keys, scope, stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{within}, SignedHeaders={names}, Signature={signature}"
    )
    return replace(request, headers=headers)


def _prepared(request: HttpRequest, keys: AwsKeys, scope: Scope, stamp: str) -> dict[str, str]:
    """The request's headers without an earlier signature, with those that the scheme adds."""
    ours = {"x-amz-date", "x-amz-security-token", "authorization"}
    headers = {name: value for name, value in request.headers.items() if name.lower() not in ours}
    headers["X-Amz-Date"] = stamp
    if keys.session_token:
        headers["X-Amz-Security-Token"] = keys.session_token.reveal()
    if scope.service in ("s3", "s3express") and not _header(headers, CONTENT_HASH):
        headers[CONTENT_HASH] = _payload(request)
    return headers


def _payload(request: HttpRequest) -> str:
    return UNSIGNED_PAYLOAD if request.streamed else hashlib.sha256(request.body).hexdigest()


def _canonical(request: HttpRequest, signed: dict[str, str], names: str, payload: str, scope: Scope) -> str:
    parts = urlsplit(request.url)
    lines = "".join(f"{name}:{_BLANKS.sub(' ', signed[name]).strip()}\n" for name in sorted(signed))
    path = _path(parts.path, scope)
    return "\n".join((request.method, path, _query(parts.query), lines, names, payload))


def _path(path: str, scope: Scope) -> str:
    """S3 signs the path as it is on the wire, encoded once; the others encode that once more."""
    if scope.service in ("s3", "s3express"):
        return "/".join(_encoded(segment) for segment in path.split("/")) or "/"
    return quote(path, safe="/-._~") or "/"


def _query(query: str) -> str:
    pairs: Iterable[tuple[str, str, str]] = (part.partition("=") for part in query.split("&") if part)
    encoded = ((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encoded(text: str) -> str:
    """RFC 3986, whichever way it was written before. A plus stands for itself: our URLs use %20."""
    return quote(unquote(text), safe="-._~")


def _authority(url: str) -> str:
    """The Host header as the transport will write it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


def _header(headers: dict[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _signing_key(keys: AwsKeys, scope: Scope, day: str) -> bytes:
    key = f"AWS4{keys.secret_access_key.reveal()}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
