"""What the API server's own audit log says about who did what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controlplane import ControlPlane

_WRITES = ("create", "update", "patch", "delete")


@dataclass(frozen=True)
class Done:
    """One request that was carried out."""

    verb: str
    resource: str
    namespace: str
    name: str
    agent: str
    at: str

    def __str__(self) -> str:
        return f"{self.at} {self.verb} {self.resource} {self.namespace}/{self.name} by {self.agent}"


class AuditTrail:
    """Requests from a moment on: this one, unless `from_the_start`."""

    def __init__(self, plane: ControlPlane, *, from_the_start: bool = False) -> None:
        self._log = plane.audit_log
        self._begin = 0 if from_the_start else self._log.stat().st_size

    def writes(self, agent: str = "", *, leases: bool = False) -> list[Done]:
        """What was written by those whose User-Agent holds `agent`; without the Leases, unless asked for."""
        return [
            each
            for each in self._requests()
            if each.verb in _WRITES and agent in each.agent and (leases or each.resource != "leases")
        ]

    def _requests(self) -> list[Done]:
        with self._log.open() as log:
            log.seek(self._begin)
            return [_done(json.loads(line)) for line in log if line.endswith("\n")]


def _done(entry: dict[str, Any]) -> Done:
    about = entry.get("objectRef") or {}
    resource = "/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part)
    verb = entry["verb"] if entry.get("responseStatus", {}).get("code", 0) < 300 else "refused"
    return Done(
        verb,
        resource,
        about.get("namespace", ""),
        about.get("name", ""),
        entry.get("userAgent", ""),
        entry.get("requestReceivedTimestamp", ""),
    )
