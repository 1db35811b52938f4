"""How a namespace lets the hub in, as the exact command to type.

A namespace is *served* once it binds the ClusterRole `integration-hub-tenant`: then the hub reads
the Secrets that Integrations name there and patches the Deployments that products name.
"""

from __future__ import annotations

from dataclasses import dataclass

TENANT_ROLE = "integration-hub-tenant"


@dataclass(frozen=True, slots=True)
class Consent:
    """Whom a namespace lets in: the hub's ServiceAccount. `role` is `role` in a namespaced install."""

    hub_namespace: str
    service_account: str
    role_kind: str = "clusterrole"

    def command(self, namespace: str) -> str:
        """What somebody with rights in `namespace` types to have it served."""
        return (
            f"kubectl --namespace {namespace} create rolebinding {TENANT_ROLE} "
            f"--{self.role_kind}={TENANT_ROLE} --serviceaccount={self.hub_namespace}:{self.service_account}"
        )
