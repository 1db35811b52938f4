"""Vault's HTTP: one request, sorted into an answer that is about it, and a Vault that does not work now.

A Vault that does not work is left alone for a moment that doubles, so that neither it nor those who call
through a thousand Integrations pay for every one of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from integration_hub.domain.concealment import concealing
from integration_hub.domain.conditions import clip
from integration_hub.domain.json_text import decoded
from integration_hub.ports import (
    Clock,
    Destination,
    Egress,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    Json,
    SecretText,
)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
_TIMEOUT_SECONDS = 5.0
_MAX_BYTES = 1024 * 1024
_MAX_SAID = 160
_OWN_MATTER = frozenset({200, 204, 400, 403, 404})
"""Answers about the request. All others are about Vault: sealed, standby, overloaded, broken."""


@dataclass(frozen=True, slots=True)
class VaultServer:
    """Which Vault: `address` without a path, `namespace` of Vault Enterprise or OpenBao, or empty."""

    address: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Vault says of the request: `said` are its errors, without a secret; `document` may hold some."""

    status: int
    document: Json = field(repr=False)
    said: str = ""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing can be had from Vault now. `message` for a person, `retry_after` in seconds."""

    message: str
    retry_after: float


class VaultWire:
    """Asks one Vault. Belongs to one event loop."""

    def __init__(self, server: VaultServer, egress: Egress, clock: Clock) -> None:
        self._server = server
        self._egress = egress
        self._clock = clock
        self._pause = 0.0
        self._until = float("-inf")
        self._why = ""

    async def ask(
        self, method: str, path: str, *, token: SecretText | None = None, body: Json = None
    ) -> Answer | Unavailable:
        """`path` below `/v1/`, as it goes on the wire."""
        left = self._until - self._clock.monotonic()
        if left > 0:
            return Unavailable(self._why, left)
        answer = await self._egress.send(self._request(method, path, token, body))
        if isinstance(answer, HttpFailure):
            return self._down(f"Vault cannot be reached: {answer.message}.")
        document = decoded(answer.body)
        said = _said(document, _secrets(token, body))
        if answer.status not in _OWN_MATTER or answer.truncated:
            return self._down(_trouble(answer, said))
        self._pause = 0.0
        return Answer(answer.status, document, said)

    def _request(self, method: str, path: str, token: SecretText | None, body: Json) -> HttpRequest:
        headers = {"Accept": "application/json", "X-Vault-Request": "true"}
        if self._server.namespace:
            headers["X-Vault-Namespace"] = self._server.namespace
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if body is not None:
            headers["Content-Type"] = "application/json"
        return HttpRequest(
            method,
            f"{self._server.address.rstrip('/')}/v1/{path}",
            Destination("administrator", ""),
            headers=headers,
            body=json.dumps(body).encode() if body is not None else b"",
            timeout_seconds=_TIMEOUT_SECONDS,
            max_response_bytes=_MAX_BYTES,
        )

    def _down(self, why: str) -> Unavailable:
        """Several that were under way at once count as one: the pause grows with what came after it."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE
            self._until = now + self._pause
        self._why = why
        return Unavailable(why, self._until - now)


def _secrets(token: SecretText | None, body: Json) -> Sequence[SecretText]:
    sent = [SecretText(each) for each in body.values() if isinstance(each, str)] if body else []
    return [*sent, token] if token is not None else sent


def _said(document: Json, secrets: Sequence[SecretText]) -> str:
    """Vault's own words in one line; it sets several errors out as a list."""
    errors = document.get("errors") if isinstance(document, dict) else None
    told = [each for each in errors if isinstance(each, str)] if isinstance(errors, list) else []
    return clip(" ".join(concealing(secrets)("; ".join(told)).replace("*", " ").split()), _MAX_SAID)


def _trouble(answer: HttpResponse, said: str) -> str:
    match answer.status:
        case 301 | 302 | 303 | 307 | 308:
            return "Vault is on standby and names another address: vault_addr must be one that serves."
        case 429:
            return "Vault refuses further requests for now (HTTP 429)."
        case 472 | 473:
            return f"Vault is on standby (HTTP {answer.status})."
        case 503 if "sealed" in said:
            return "Vault is sealed."
    return f"Vault does not work now (HTTP {answer.status}{f': {said}' if said else ''})."
