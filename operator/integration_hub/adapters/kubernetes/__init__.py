"""The API server behind ports: the only place where the `kubernetes` client is imported.

`connection` carries bytes, `cluster` speaks in objects (ports.Cluster), `secrets` and `events` stand on it.

Generated models are left alone on purpose: they copy every object several times on its way. The
official client brings configuration, credentials and the TLS session; JSON goes through as bytes.
"""

from integration_hub.adapters.kubernetes.access import FeedLogin
from integration_hub.adapters.kubernetes.cluster import KubernetesCluster
from integration_hub.adapters.kubernetes.connection import Connection
from integration_hub.adapters.kubernetes.events import EventRecorder
from integration_hub.adapters.kubernetes.login import LoginError
from integration_hub.adapters.kubernetes.secrets import KubernetesOwnedSecrets, KubernetesSecrets

__all__ = [
    "Connection",
    "EventRecorder",
    "FeedLogin",
    "KubernetesCluster",
    "KubernetesOwnedSecrets",
    "KubernetesSecrets",
    "LoginError",
]
