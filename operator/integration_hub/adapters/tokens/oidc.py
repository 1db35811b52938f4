"""Tokens of an OIDC issuer, such as PassPort, checked against its published keys.

OpenID Connect Core 1.0 section 3.1.3.7, Discovery 1.0 section 4, RFC 7519, RFC 8725: one issuer, one
audience, asymmetric algorithms only, an expiry that is there and not past.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import Token

from integration_hub.adapters.tokens.claims import expiry
from integration_hub.adapters.tokens.memory import Kept, TokenMemory
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import (
    Caller,
    Clock,
    Destination,
    Egress,
    HttpFailure,
    HttpRequest,
    Json,
    Problem,
    SecretText,
)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_ADMINISTRATOR = Destination("administrator", "")
_KEYS_SECONDS = 3600.0
_KEYS_PAUSE_SECONDS = 10.0
_REMEMBERED_SECONDS = 10.0
_SKEW_SECONDS = 30
_MAX_KEYS = 64
_MAX_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 5.0
_SERVICE_ACCOUNT = "system:serviceaccount:"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OidcTrust:
    """Whom to believe. `jwks_url` empty: as the issuer's discovery document says. `prefix` is put before
    `sub` and before groups, so that no outsider can pass for a user of the cluster.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    prefix: str = "passport:"
    groups_claim: str = "groups"
    algorithms: Sequence[str] = ALGORITHMS
    kind: Literal["oidc", "kubernetes"] = "oidc"


class OidcAuthenticator:
    """ports.Authenticator for the tokens of one issuer."""

    def __init__(self, trust: OidcTrust, egress: Egress, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._keys = _PublishedKeys(trust, egress, clock)
        self._memory: TokenMemory[Caller | Problem] = TokenMemory(clock, lambda a: isinstance(a, Problem))

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        return await self._memory.of(token, lambda: self._judge(token))

    async def _judge(self, token: SecretText) -> Kept[Caller | Problem]:
        keys = await self._keys.current()
        if isinstance(keys, Problem):
            return keys, 0.0
        read = self._read(token, keys)
        if isinstance(read, str) and await self._keys.renewed(keys):
            keys = await self._keys.current()  # it may be signed with a key that is newer than ours
            if not isinstance(keys, Problem):
                read = self._read(token, keys)
        if isinstance(read, str):
            return Problem(ErrorCode.UNAUTHENTICATED, read), _REMEMBERED_SECONDS
        caller = self._caller(read.claims)
        if isinstance(caller, Problem):
            return caller, _REMEMBERED_SECONDS
        until = expiry(read.claims)
        left = until - self._clock.now().timestamp() if until is not None else 0.0
        return caller, min(_REMEMBERED_SECONDS, left)

    def _read(self, token: SecretText, keys: KeySet) -> Token | str:
        """The token if it is good, else why not, in words that a caller may see."""
        claims = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_SKEW_SECONDS,
            iss={"essential": True, "value": self._trust.issuer},
            aud={"essential": True, "value": self._trust.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            read = jwt.decode(token.reveal(), keys, algorithms=list(self._trust.algorithms))
            claims.validate(read.claims)
        except (JoseError, ValueError) as error:
            return f"The token is not good: {_said(error)}."
        return read

    def _caller(self, claims: dict[str, Any]) -> Caller | Problem:
        trust, subject = self._trust, claims["sub"]
        if not isinstance(subject, str) or not subject or len(subject) > 255:
            return Problem(ErrorCode.UNAUTHENTICATED, "The token has no usable subject.")
        if trust.kind == "kubernetes":
            return _service_account(subject, claims)
        given = claims.get(trust.groups_claim)
        named = [each for each in given if isinstance(each, str)][:100] if isinstance(given, list) else []
        groups = (*(f"{trust.prefix}{each}" for each in named), "system:authenticated")
        return Caller(f"{trust.prefix}{subject}", groups=groups, kind="oidc")


class _PublishedKeys:
    """The issuer's key set: kept an hour; fetched anew for an unknown key, but not in a storm of them."""

    def __init__(self, trust: OidcTrust, egress: Egress, clock: Clock) -> None:
        self._trust = trust
        self._egress = egress
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> KeySet | Problem:
        """The keys of now; last known good ones where newer cannot be had."""
        if self._keys is None or self._clock.monotonic() - self._fetched > _KEYS_SECONDS:
            await self._fetch(self._keys)
        return self._keys or Problem(
            ErrorCode.NOT_READY, "The issuer's keys cannot be had now.", _KEYS_PAUSE_SECONDS
        )

    async def renewed(self, known: KeySet) -> bool:
        """Whether there are other keys by now than `known`: an issuer rotates them."""
        await self._fetch(known)
        return self._keys is not known

    async def _fetch(self, known: KeySet | None) -> None:
        async with self._lock:
            if self._keys is not known or self._clock.monotonic() - self._tried < _KEYS_PAUSE_SECONDS:
                return
            self._tried = self._clock.monotonic()
            url = self._trust.jwks_url or await self._discovered()
            document = await self._get(url) if url else None
            found = _key_set(document)
            if found is None:
                _log.warning("The issuer's keys cannot be read", extra={"issuer": self._trust.issuer})
                return
            self._keys, self._fetched = found, self._clock.monotonic()

    async def _discovered(self) -> str:
        document = await self._get(f"{self._trust.issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(document, dict) or document.get("issuer") != self._trust.issuer:
            return ""
        url = document.get("jwks_uri")
        return url if isinstance(url, str) else ""

    async def _get(self, url: str) -> Json:
        request = HttpRequest(
            "GET",
            url,
            _ADMINISTRATOR,
            headers={"Accept": "application/json"},
            timeout_seconds=_TIMEOUT_SECONDS,
            max_response_bytes=_MAX_BYTES,
        )
        answer = await self._egress.send(request)
        if isinstance(answer, HttpFailure) or answer.status != 200 or answer.truncated:
            cause = answer.message if isinstance(answer, HttpFailure) else f"HTTP {answer.status}"
            _log.warning("An OIDC issuer does not answer", extra={"cause": cause})
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            return None


def _key_set(document: Json) -> KeySet | None:
    """The public signing keys of a JWK set (RFC 7517); those that cannot be used are passed over."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return None
    usable = [
        key
        for key in listed[:_MAX_KEYS]
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    ]
    keys = []
    for key in usable:
        try:
            keys += KeySet.import_key_set({"keys": [key]}).keys
        except (JoseError, ValueError):
            continue
    return KeySet(keys) if keys else None


def _service_account(subject: str, claims: dict[str, Any]) -> Caller | Problem:
    """A ServiceAccount's own token, where TokenReview may not be asked (a namespaced install)."""
    namespace, _, name = subject.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if not subject.startswith(_SERVICE_ACCOUNT) or not namespace or not name:
        return Problem(ErrorCode.UNAUTHENTICATED, "The token is no ServiceAccount's.")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    details = claims.get("kubernetes.io")
    account = details.get("serviceaccount") if isinstance(details, dict) else None
    uid = account.get("uid") if isinstance(account, dict) else None
    return Caller(subject, groups=groups, uid=uid if isinstance(uid, str) else "", namespace=namespace)


def _said(error: Exception) -> str:
    """An error's own word: stable, short, and without any part of the token."""
    return str(getattr(error, "error", "") or "unreadable").replace("_", " ")
