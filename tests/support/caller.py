"""A caller of the HTTP API on a real control plane: a ServiceAccount with a role, and its token."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eventually import eventually

if TYPE_CHECKING:
    from controlplane import ControlPlane

AUDIENCE = "integration-hub"


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiCaller:
    """Somebody of `namespace`, let in by whatever roles are given to them."""

    def __init__(self, plane: ControlPlane, api: str, namespace: str, name: str) -> None:
        self._plane = plane
        self.api = api
        self._user = f"system:serviceaccount:{namespace}:{name}"
        self.namespace = namespace
        self.name = name
        plane.kubectl("create", "serviceaccount", name, "-n", namespace)
        self.token = plane.service_account_token(namespace, name, audience=AUDIENCE)

    def given(self, role: str, namespace: str = "") -> ApiCaller:
        """Bind a ClusterRole in their own namespace, or in this one; returns once it counts."""
        place = namespace or self.namespace
        account = f"--serviceaccount={self.namespace}:{self.name}"
        binding = f"{self.namespace}-{self.name}-{role}"
        self._plane.kubectl("create", "rolebinding", binding, f"--clusterrole={role}", account, "-n", place)
        asked = ("auth", "can-i", "list", "integrations.integrationhub.io", "-n", place, "--as", self._user)
        eventually(
            lambda: self._plane.kubectl(*asked, check=False).stdout.strip() == "yes",
            f"{role} counts",
            seconds=30,
        )
        return self

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send JSON; header names are written with underscores."""
        named = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.api + path, data, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), _lower(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), _lower(error.headers))


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
