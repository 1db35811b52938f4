"""Somebody who asks the hub over HTTP: a ServiceAccount of a namespace with the role `edit`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from controlplane import ControlPlane
    from hub_process import HubProcess

AUDIENCE = "integration-hub"
_SECONDS = 60.0


class HubCaller:
    """`client` carries the caller's token; the rest are the calls that tests make most."""

    def __init__(self, client: httpx2.Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: Any) -> Any:
        """The decoded answer, whose status has to be this one."""
        answer = self.client.request(method, path, json=body, params=query or None)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def execute(self, name: str, endpoint: str, data: Any = None, *, status: int = 200, **more: Any) -> Any:
        """One call through the Integration `name`: what the far end answered, or the hub's refusal."""
        body = {"endpoint": endpoint, "data": data, **more}
        answer = self.ask("POST", f"/api/integration-hub/{name}/execute", body, status=status)
        return answer.get("result", answer)


@contextmanager
def hub_caller(
    plane: ControlPlane, hub: HubProcess, namespace: str, name: str = "caller"
) -> Iterator[HubCaller]:
    """Make the ServiceAccount, bind it, and get it a token for the hub and nobody else."""
    plane.kubectl("create", "serviceaccount", name, "-n", namespace)
    account = f"--serviceaccount={namespace}:{name}"
    plane.kubectl("create", "rolebinding", name, "--clusterrole=edit", account, "-n", namespace)
    token = plane.kubectl("create", "token", name, "-n", namespace, f"--audience={AUDIENCE}").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=hub.api, headers=headers, timeout=_SECONDS, trust_env=False) as client:
        yield HubCaller(client, namespace)
