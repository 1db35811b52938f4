"""What every port speaks of: JSON, errors, leadership, the budget of requests."""

from __future__ import annotations

from typing import Any, Literal, Protocol

Json = Any
"""A decoded JSON value. Kept loose on purpose: it is data that somebody else shaped."""


class PortError(Exception):
    """Something outside did not work. The parent of every error that a port raises."""


class ApiError(PortError):
    """The API server refused or could not be reached.

    `status` is the HTTP status (0: no answer at all); `reason` Kubernetes' own word
    (`NotFound`, `Conflict`, `Forbidden`, …); `retry_after` in seconds, when it named one.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotLeaderError(PortError):
    """A write was refused on our own side: this process does not hold the Lease (any more)."""


class Leadership(Protocol):
    """The right to write. Asked immediately before the bytes of every gated write are sent."""

    @property
    def fencing(self) -> int:
        """The number of this term, higher than that of every earlier leader; 0 before the first term."""
        ...

    def require(self) -> None:
        """Return if this process is the leader at this very moment; raise NotLeaderError otherwise."""
        ...


class RequestBudget(Protocol):
    """How fast the API server may be asked. Reads and writes have separate allowances."""

    async def take(self, use: Literal["read", "write"]) -> None:
        """Wait until one more request of this use may go out."""
        ...

    def pause(self, use: Literal["read", "write"], seconds: float) -> None:
        """The API server asked for quiet (429): let nothing of this use out for so long."""
        ...
