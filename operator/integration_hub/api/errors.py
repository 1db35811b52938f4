"""The one vocabulary of error codes that callers of the hub see. Stable: clients match on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """The word on the wire, the HTTP status it goes with, whether trying again may help, and what to do."""

    status: int
    retryable: bool
    way_out: str

    def __new__(cls, word: str, status: int, retryable: bool, way_out: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.status = status
        member.retryable = retryable
        member.way_out = way_out
        return member

    # Named by the seeds
    INTEGRATION_NOT_FOUND = "INTEGRATION_NOT_FOUND", 404, False, "Check the id and the namespace."
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS", 424, False, "Check the credentials, or connect anew."
    CONNECTION_TIMEOUT = "CONNECTION_TIMEOUT", 504, True, "Raise timeoutSeconds, or check the network."
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED", 429, True, "Wait as long as Retry-After says."
    INVALID_CONFIGURATION = "INVALID_CONFIGURATION", 422, False, "Compare with the provider's schema."
    WEBHOOK_DELIVERY_FAILED = "WEBHOOK_DELIVERY_FAILED", 502, True, "Check the webhook's receiver."
    ENCRYPTION_ERROR = "ENCRYPTION_ERROR", 500, False, "Check the hub's encryption key."

    # Who asks, and what for
    UNAUTHENTICATED = "UNAUTHENTICATED", 401, False, "Send a valid bearer token."
    FORBIDDEN = "FORBIDDEN", 403, False, "Ask for a role that allows it."
    NAMESPACE_REQUIRED = "NAMESPACE_REQUIRED", 400, False, "Name a namespace in X-Tenant."
    NOT_FOUND = "NOT_FOUND", 404, False, "Check the path and the id."
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED", 405, False, "Use a method that Allow names."
    CONFLICT = "CONFLICT", 409, False, "Read the object again and decide anew."
    MANAGED_BY_GITOPS = "MANAGED_BY_GITOPS", 409, False, "Change it in its repository, or use force=true."
    INVALID_REQUEST = "INVALID_REQUEST", 422, False, "Mend the field that details names."
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE", 413, False, "Send less in one request."
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE", 415, False, "Send application/json."
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT", 408, True, "Send the request faster."

    # What the outside system or the way there came to
    REAUTH_REQUIRED = "REAUTH_REQUIRED", 424, False, "A person has to connect the account again."
    CIRCUIT_OPEN = "CIRCUIT_OPEN", 503, True, "Wait as long as Retry-After says."
    UPSTREAM_ERROR = "UPSTREAM_ERROR", 502, True, "Try again later; see the vendor's status page."
    CONNECTION_FAILED = "CONNECTION_FAILED", 502, True, "Check the address and the network."
    ADDRESS_BLOCKED = "ADDRESS_BLOCKED", 403, False, "Ask an administrator to open the address."
    RESPONSE_INVALID = "RESPONSE_INVALID", 502, False, "Compare with the endpoint's responseSchema."

    # The hub itself
    OVERLOADED = "OVERLOADED", 503, True, "Try again shortly."
    NOT_READY = "NOT_READY", 503, True, "Try again shortly."
    INTERNAL_ERROR = "INTERNAL_ERROR", 500, False, "Report it, with the correlation id."
