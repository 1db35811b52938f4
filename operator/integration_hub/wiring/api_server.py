"""The API server as each role meets it: reads by anyone, the operator's writes by the leader alone."""

from __future__ import annotations

from integration_hub.adapters.kubernetes import Connection, KubernetesCluster
from integration_hub.permissions import LEASE_NAME
from integration_hub.ports import Clock, Entropy
from integration_hub.runtime.budget import ApiBudget
from integration_hub.runtime.leader import Elector, LeaseTimes
from integration_hub.settings import Settings

OPERATOR_MANAGER = "integration-hub-operator"
GATEWAY_MANAGER = "integration-hub-gateway"


class ApiServer:
    """`cluster` is the operator's: within its budget, and every write gated by leadership.

    `for_callers` is the gateway's: what somebody asked for is written by the replica that they came to,
    within a budget of its own, so that callers cannot hold up the operator, nor the other way round.
    """

    def __init__(self, connection: Connection, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self._connection = connection
        self.elector = Elector(
            KubernetesCluster(connection, field_manager=OPERATOR_MANAGER, budget=None, leadership=None),
            clock,
            entropy,
            namespace=settings.namespace,
            name=LEASE_NAME,
            identity=settings.identity,
            times=LeaseTimes(
                settings.lease_duration_seconds,
                settings.lease_renew_deadline_seconds,
                settings.lease_retry_seconds,
            ),
        )
        self._budget = ApiBudget(clock, entropy, rate=settings.api_qps, burst=settings.api_burst)
        self.cluster = self.cluster_as(OPERATOR_MANAGER)
        self.for_callers = KubernetesCluster(
            connection,
            field_manager=GATEWAY_MANAGER,
            budget=ApiBudget(clock, entropy, rate=settings.api_qps, burst=settings.api_burst),
            leadership=None,
        )

    def cluster_as(self, manager: str) -> KubernetesCluster:
        """The operator's, under another field manager."""
        return KubernetesCluster(
            self._connection, field_manager=manager, budget=self._budget, leadership=self.elector
        )
