"""The audit of credentials in use: who had which connection's credentials applied, and what for.

One row a minute stands for all identical uses in it: a service that calls a hundred times a second
leaves sixty rows an hour, not a third of a million. A use that differs in anything has its own row at
once.
"""

from __future__ import annotations

from collections import OrderedDict

from integration_hub.api.integration import INTEGRATION
from integration_hub.ports import AuditLog, AuditRecord, Clock, CredentialProblem, Key, Link, Presented

COALESCE_SECONDS = 60.0
THE_HUB = "system:integration-hub"


class Usage:
    """Writes those rows; remembers the `remember` uses seen last."""

    def __init__(self, audit: AuditLog, clock: Clock, *, remember: int = 20_000) -> None:
        self._audit = audit
        self._clock = clock
        self._remember = remember
        self._told: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()

    def used(self, link: Link, caller: str, purpose: str, outcome: Presented | CredentialProblem) -> None:
        """Credentials were handed out, or were asked for in vain."""
        told = outcome.reason.value if isinstance(outcome, CredentialProblem) else ""
        key = (link.uid, caller, purpose, told)
        now = self._clock.monotonic()
        before = self._told.get(key)
        if before is not None and now - before < COALESCE_SECONDS:
            return
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > self._remember:
            self._told.popitem(last=False)
        self.tell(link.key, caller, "use", "failed" if told else "allowed", told or purpose)

    def tell(self, key: Key, caller: str, action: str, outcome: str, detail: str = "") -> None:
        """Anything else that was done to credentials: refreshed, connected, ended, replaced."""
        self._audit.record_audit(
            AuditRecord(
                at=self._clock.now(),
                namespace=key.namespace,
                actor=caller or THE_HUB,
                action=action,
                resource=f"{INTEGRATION.plural}/credentials",
                name=key.name,
                outcome=outcome,
                detail=detail,
            )
        )
