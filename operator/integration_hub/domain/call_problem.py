"""What came of a call, in the words that callers of the hub get: a code, and a sentence with the way out."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.api.errors import ErrorCode
from integration_hub.api.reasons import Reason
from integration_hub.domain.classification import Outcome
from integration_hub.ports import Problem

_CODES: Mapping[Reason, ErrorCode] = {
    Reason.TIMEOUT: ErrorCode.CONNECTION_TIMEOUT,
    Reason.RATE_LIMITED: ErrorCode.RATE_LIMIT_EXCEEDED,
    Reason.INVALID_CREDENTIALS: ErrorCode.INVALID_CREDENTIALS,
    Reason.REAUTH_REQUIRED: ErrorCode.REAUTH_REQUIRED,
    Reason.PENDING_AUTHORIZATION: ErrorCode.REAUTH_REQUIRED,
    Reason.ENCRYPTION_ERROR: ErrorCode.ENCRYPTION_ERROR,
    Reason.OAUTH_CLIENT_MISSING: ErrorCode.INVALID_CONFIGURATION,
    Reason.REFRESH_FAILED: ErrorCode.UPSTREAM_ERROR,
    Reason.SECRET_UNREADABLE: ErrorCode.NOT_READY,
    Reason.UPSTREAM_ERROR: ErrorCode.UPSTREAM_ERROR,
    Reason.PROTOCOL_ERROR: ErrorCode.UPSTREAM_ERROR,
    Reason.UNEXPECTED_ANSWER: ErrorCode.RESPONSE_INVALID,
    Reason.CONFIG_REFUSED: ErrorCode.INVALID_REQUEST,
    Reason.CONFIG_INVALID: ErrorCode.INVALID_CONFIGURATION,
    Reason.INVALID_URL: ErrorCode.INVALID_CONFIGURATION,
    Reason.ADDRESS_BLOCKED: ErrorCode.ADDRESS_BLOCKED,
    Reason.NAME_NOT_RESOLVED: ErrorCode.CONNECTION_FAILED,
    Reason.CONNECTION_FAILED: ErrorCode.CONNECTION_FAILED,
    Reason.TLS_FAILED: ErrorCode.CONNECTION_FAILED,
    Reason.CIRCUIT_OPEN: ErrorCode.CIRCUIT_OPEN,
    Reason.EGRESS_OVERLOADED: ErrorCode.OVERLOADED,
}

_SENTENCES: Mapping[Reason, str] = {
    Reason.TIMEOUT: "Connection timeout after {milliseconds}ms: {host} gave no complete answer.",
    Reason.RATE_LIMITED: "{host} asks for fewer calls (HTTP {status}).",
    Reason.INVALID_CREDENTIALS: "{host} refused the credentials (HTTP {status}).",
    Reason.REAUTH_REQUIRED: "{host} no longer honours the grant (HTTP {status}).",
    Reason.UPSTREAM_ERROR: "{host} has trouble of its own (HTTP {status}).",
    Reason.UNEXPECTED_ANSWER: (
        "{host} gave an answer that nobody expects (HTTP {status}); redirects are not followed."
    ),
    Reason.CONFIG_REFUSED: "{host} refused the request (HTTP {status}).",
}


def code_of(reason: Reason) -> ErrorCode:
    """Of whatever has to do with credentials or the spec and is not told apart here: mend those."""
    return _CODES.get(reason, ErrorCode.INVALID_CREDENTIALS)


def problem_of(outcome: Outcome, host: str, timeout_seconds: float) -> Problem | None:
    """Why the call failed; None if it did not. `details` repeats nothing that was not struck already."""
    if outcome.success:
        return None
    sentence = _SENTENCES.get(outcome.reason, "").format(
        host=host, status=outcome.status, milliseconds=round(timeout_seconds * 1000)
    )
    if outcome.reason is Reason.TIMEOUT:
        details = sentence
    else:
        said = f"{outcome.detail.rstrip('. ')}." if outcome.detail else ""
        details = f"{said} {sentence}".strip() if sentence else said
    return Problem(code_of(outcome.reason), details, outcome.retry_after)
