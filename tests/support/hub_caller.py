"""A service of a tenant that asks the hub over HTTP: `ApiCaller` with the role `edit`, in fewer words.

For bodies that are streamed there is `client`, which carries the same token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2

from caller import ApiCaller

if TYPE_CHECKING:
    from controlplane import ControlPlane
    from hub_process import HubProcess

_SECONDS = 60.0


class HubCaller:
    """`client` carries the caller's token; the rest are the calls that tests make most."""

    def __init__(self, client: httpx2.Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Any:
        """The decoded answer, whose status has to be this one."""
        answer = self.client.request(method, path, json=body, params=query)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def execute(self, name: str, endpoint: str, data: Any = None, *, status: int = 200, **more: Any) -> Any:
        """One call through the Integration `name`: what the far end answered, or the hub's refusal."""
        body = {"endpoint": endpoint, "data": data, **more}
        answer = self.ask("POST", f"/api/integration-hub/{name}/execute", body, status=status)
        return answer.get("result", answer)


@contextmanager
def hub_caller(plane: ControlPlane, hub: HubProcess, namespace: str) -> Iterator[HubCaller]:
    """Somebody of this namespace, new to it."""
    account = ApiCaller(plane, hub.api, namespace, "service").given("edit")
    headers = {"Authorization": f"Bearer {account.token}"}
    with httpx2.Client(base_url=hub.api, headers=headers, timeout=_SECONDS, trust_env=False) as client:
        yield HubCaller(client, namespace)
