"""Answers to token requests, read with patience: vendors differ more here than anywhere.

RFC 6749 section 5 names the fields; some vendors answer in form encoding, nest the token, leave its
life out, or refuse with status 200. What a provider declares (`answer`) comes first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qsl

from integration_hub.api.authentication import TokenAnswer
from integration_hub.domain.classification import retry_after
from integration_hub.domain.concealment import Conceal, one_line
from integration_hub.domain.conditions import clip
from integration_hub.ports import (
    ExpressionError,
    Expressions,
    Failure,
    HttpFailure,
    HttpResponse,
    Json,
    SecretText,
)

VARIABLES = ("body", "headers", "status")
"""What an expression of `answer` may use."""
LONGEST_LIFE = 10 * 366 * 86_400.0
MAX_TOKEN = 16_384
_UNSET = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN_FIELDS = ("access_token", "accessToken", "token")

_GRANT = frozenset(
    {"invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "token_expired"}
    | {"bad_verification_code", "invalid_code", "code_already_used"}
)
_CLIENT = frozenset(
    {"invalid_client", "unauthorized_client", "incorrect_client_credentials", "invalid_client_id"}
    | {"bad_client_secret", "invalid_auth", "not_authed"}
)
_TRANSIENT = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "ratelimited", "rate_limited"}
    | {"authorization_pending", "internal_error", "service_unavailable"}
)


class Refused(StrEnum):
    """Whose matter a refusal is."""

    GRANT = "grant"
    """The refresh token, code or statement is not honoured (any more)."""
    CLIENT = "client"
    """The client, user name, password or key is wrong."""
    REQUEST = "request"
    """The request itself: a scope, an address, a grant that the far end does not offer."""
    TRANSIENT = "transient"
    """It may pass."""


@dataclass(frozen=True, slots=True)
class Token:
    """What was obtained. `expires_in` in seconds from now; None where nobody knows."""

    access_token: SecretText
    refresh_token: SecretText | None = None
    expires_in: float | None = None
    scope: str = ""
    body: Json = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """Why there is none. `message` is for a person and holds no secret; `unanswered`: nobody knows whether
    the far end carried it out.
    """

    refused: Refused
    message: str
    retry_after: float | None = None
    unanswered: bool = False


def parse(
    answer: HttpResponse | HttpFailure,
    declared: TokenAnswer | None,
    *,
    expressions: Expressions,
    now: datetime,
    conceal: Conceal,
) -> Token | TokenRefusal:
    """Read any answer. `conceal` strikes out what was sent, which an error page may echo."""
    if isinstance(answer, HttpFailure):
        return _no_answer(answer)
    if answer.truncated:
        return TokenRefusal(Refused.REQUEST, "the answer to the token request is too long to be one")
    body = _decoded(answer)
    seen = {"body": body, "headers": dict(answer.headers), "status": answer.status}
    chosen = _Chosen(declared or TokenAnswer(), seen, expressions)
    refusal = _refusal(answer, body, chosen, now, conceal)
    if refusal is not None:
        return refusal
    access = _token(chosen.pick("access_token", _usual(body, _TOKEN_FIELDS)))
    if access is None:
        told = f": {chosen.problem}" if chosen.problem else ""
        return TokenRefusal(Refused.REQUEST, conceal(f"the answer to the token request holds no token{told}"))
    return Token(
        access,
        _token(chosen.pick("refresh_token", _usual(body, ("refresh_token", "refreshToken")))),
        _life(chosen, body, now),
        str(_usual(body, ("scope",)) or "")[:1024],
        body,
    )


@dataclass(slots=True)
class _Chosen:
    """What a provider's own expressions say, where it has any."""

    declared: TokenAnswer
    seen: Mapping[str, Json]
    expressions: Expressions
    problem: str = ""

    def pick(self, name: str, usual: Json = None) -> Json:
        source = getattr(self.declared, name)
        if source is None:
            return usual
        program = self.expressions.compile(source, VARIABLES)
        value = program if isinstance(program, ExpressionError) else program.evaluate(self.seen)
        if isinstance(value, ExpressionError):
            self.problem = f"answer.{name}: {value.message}"
            return None
        return value


def _decoded(answer: HttpResponse) -> Json:
    text = answer.body.decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "text/plain") and re.match(r"[\w.-]+=", text):
        return dict(parse_qsl(text, keep_blank_values=True))
    return text


def _usual(body: Json, names: tuple[str, ...]) -> Json:
    """The first of these fields that has a value: at the top, else below `authed_user` or `data`."""
    for part in (body, *(body.get(key) for key in ("authed_user", "data") if isinstance(body, dict))):
        if isinstance(part, dict):
            for name in names:
                if part.get(name) not in (None, ""):
                    return part[name]
    return None


def _token(value: Json) -> SecretText | None:
    """A token that can be sent: text without blanks or control characters."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TOKEN:
        return None
    text = value.strip()
    return SecretText(text) if re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", text) else None


def _life(chosen: _Chosen, body: Json, now: datetime) -> float | None:
    """Seconds that the token works. Nothing, zero, less or nonsense: nobody knows."""
    seconds = _number(chosen.pick("expires_in", _usual(body, ("expires_in", "expiresIn"))))
    if seconds is None:
        end = moment(chosen.pick("expires_at", _usual(body, ("expires_at", "expiresAt"))))
        seconds = (end - now).total_seconds() if end is not None else None
    if seconds is None or seconds <= 0:
        default = chosen.declared.lifetime_seconds
        return float(default) if default is not None else None
    return min(seconds, LONGEST_LIFE)


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def moment(value: Json) -> datetime | None:
    """A point in time as vendors and people write it: RFC 3339, or seconds or milliseconds since 1970.

    Up to 1970 it is none: the zero of Go's and of .NET's times, and of Unix, means that nothing was set.
    """
    number = _number(value)
    try:
        if number is not None:
            seconds = number / 1000 if number > 1e11 else number
            read = _UNSET + timedelta(seconds=seconds)
        elif isinstance(value, str):
            read = datetime.fromisoformat(value.strip())
            read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return read if read > _UNSET else None


# --------------------------------------------------------------------------- refusals


def _no_answer(failure: HttpFailure) -> TokenRefusal:
    lasting = failure.failure in (Failure.BLOCKED, Failure.INVALID_URL)
    never_left = (Failure.BLOCKED, Failure.INVALID_URL, Failure.DNS, Failure.OVERLOADED, Failure.CONNECT)
    return TokenRefusal(
        Refused.REQUEST if lasting else Refused.TRANSIENT,
        failure.message,
        unanswered=failure.failure not in never_left,
    )


def _refusal(
    answer: HttpResponse, body: Json, chosen: _Chosen, now: datetime, conceal: Conceal
) -> TokenRefusal | None:
    code, said = _words(body, chosen)
    fine = 200 <= answer.status < 300
    if fine and not code:
        return None
    kind = _kind(answer.status, code)
    wait = retry_after(answer.headers, now) if kind is Refused.TRANSIENT else None
    told = ": ".join(part for part in (code, said) if part) or f"status {answer.status}"
    return TokenRefusal(
        kind, f"the far end refused the token request ({clip(one_line(told, conceal), 256)})", wait
    )


def _words(body: Json, chosen: _Chosen) -> tuple[str, str]:
    """The error's code and what is said with it, possibly empty."""
    declared = chosen.pick("error")
    if chosen.declared.error is not None:
        return (declared, "") if isinstance(declared, str) else ("", "")
    if not isinstance(body, dict):
        return "", ""
    error = body.get("error") or ("" if body.get("ok") is not False else "refused")
    if isinstance(error, dict):  # an API's own error object instead of RFC 6749's
        return str(error.get("status") or error.get("code") or "error"), str(error.get("message") or "")
    said = body.get("error_description") or body.get("message") or ""
    return str(error or ""), said if isinstance(said, str) else ""


def _kind(status: int, code: str) -> Refused:
    word = code.lower()
    if word in _GRANT:
        return Refused.GRANT
    if word in _TRANSIENT or status in (408, 425, 429) or status >= 500:
        return Refused.TRANSIENT
    if word in _CLIENT or status in (401, 403):
        return Refused.CLIENT
    return Refused.REQUEST
