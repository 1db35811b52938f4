"""Why somebody's request came to nothing, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Problem:
    """`details` is for a person: it names the field or the host, the trouble, the way out; never a secret.

    `retry_after` in seconds, where it is known when to try again.
    """

    code: ErrorCode
    details: str
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        return self.code.retryable
