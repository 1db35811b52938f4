"""A hub under attack, on a control plane of its own: debug log, secrets that can be told apart, one who may
call and one who may not.

It is a hub of its own because it is treated as no other one is: it believes what its callers say of their
addresses (so that one test's refusals shut no other test out), it has a static key and an OIDC issuer, and
its log is read for secrets afterwards.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hub_chart
from controlplane import ControlPlane
from eventually import eventually
from far_end import Corner, FarEnd, far_end
from hostile_end import Listener, forbidden_place, odd_server
from hub_process import HubProcess, running_hub
from tenant import Tenant

AUDIENCE = "integration-hub"

NAMES: Mapping[str, str] = {
    "foo.localhost": "127.0.0.1",
    "kubernetes.default.svc": "10.96.0.1",
    "metadata.google.internal": "169.254.169.254",
    "wiki.corp": "93.184.216.34",
    "metadata.far.example": "169.254.169.254",
    "loop.far.example": "127.0.0.1",
    "mapped.far.example": "::ffff:127.0.0.1",
    "six.far.example": "::1",
    "nat64.far.example": "64:ff9b::7f00:1",
    "sixtofour.far.example": "2002:7f00:1::1",
    "private.far.example": "10.0.0.1",
    "shared.far.example": "100.64.0.1",
    "any.far.example": "0.0.0.0",
}
"""Names of the inside; and public ones that lead there, as a tenant's own name server would answer."""


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's word; empty where it is none."""
        try:
            return str(self.json.get("code", ""))
        except (ValueError, AttributeError):
            return ""


class Siege:
    """`outside` and `odd` may be called, `inside` may not. `told` is every answer that the hub gave."""

    def __init__(self, plane: ControlPlane, outside: FarEnd, inside: Listener, static_key: str) -> None:
        self.plane = plane
        self.outside = outside
        self.inside = inside
        self.static_key = static_key
        self.issuer: Corner = outside.corner("issuer")
        self.told: list[bytes] = []
        self.odd_answers: dict[str, bytes] = {}
        """What the odd server, whose address is `odd`, sends for paths that begin with these."""
        self.odd = ""
        self.folder: Path
        self.hub: HubProcess

    # ------------------------------------------------------------------ people and places

    def tenant(self, called: str) -> Tenant:
        """A namespace that the hub serves, and a corner of the outside."""
        namespace = f"{called}-{uuid.uuid4().hex[:6]}"
        self.plane.create_namespace(namespace)
        hub_chart.serve(self.plane, namespace)
        return Tenant(self.plane, namespace, self.outside.corner(uuid.uuid4().hex[:8]))

    def caller(self, namespace: str, role: str = "", *, audience: str = AUDIENCE, seconds: int = 3600) -> str:
        """A new ServiceAccount's token; with a role, once that counts."""
        name = f"caller-{uuid.uuid4().hex[:6]}"
        self.plane.kubectl("create", "serviceaccount", name, "-n", namespace)
        if role:
            account = f"{namespace}:{name}"
            self.plane.kubectl(
                *("create", "rolebinding", name, f"--clusterrole={role}", f"--serviceaccount={account}"),
                *("-n", namespace),
            )
            may = ("auth", "can-i", "get", "integrations.integrationhub.io", "-n", namespace)
            user = f"system:serviceaccount:{account}"
            eventually(
                lambda: "yes" in self.plane.kubectl(*may, "--as", user, check=False).stdout,
                f"{role} counts",
                seconds=30,
            )
        return self.plane.service_account_token(namespace, name, audience=audience, seconds=seconds)

    # ------------------------------------------------------------------ the door

    def ask(
        self, method: str, path: str, token: str = "", body: Any = None, /, **headers: str | bytes
    ) -> Answer:
        """Ask the gateway, from an address that nobody used before; header names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("X-Forwarded-For", ".".join(["10", *(str(secrets.randbelow(256)) for _ in "123")]))
        if token:
            named.setdefault("Authorization", f"Bearer {token}")
        data = None
        if body is not None:
            named.setdefault("Content-Type", "application/json")
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.hub.gateway_port, timeout=60)
        try:
            connection.request(method, path, data, named)
            raw = connection.getresponse()
            answer = Answer(raw.status, raw.read(), {k.lower(): v for k, v in raw.getheaders()})
        finally:
            connection.close()
        self.told.append(repr(answer.headers).encode() + answer.body)
        return answer

    def description(self, token: str) -> dict[str, Any]:
        """The OpenAPI document that the gateway serves."""
        answer = self.ask("GET", "/openapi.json", token)
        assert answer.status == 200, answer.body
        return dict(answer.json)

    def routes(self, token: str) -> list[tuple[str, str]]:
        """Every method and path of it."""
        paths = self.description(token)["paths"]
        return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@contextmanager
def siege(folder: Path) -> Iterator[Siege]:
    """All of it, ready."""
    with ExitStack() as stack:
        plane = stack.enter_context(ControlPlane.start())
        outside, inside = stack.enter_context(far_end()), stack.enter_context(forbidden_place())
        made = Siege(plane, outside, inside, f"sk-{secrets.token_urlsafe(24)}")
        made.folder = folder
        odd = stack.enter_context(odd_server(made.odd_answers))
        made.odd = f"http://127.0.0.1:{odd.port}"
        kubeconfig = hub_chart.install_rights(plane)
        api_port = plane.url.rpartition(":")[2]
        settings = {
            "namespace": hub_chart.NAMESPACE,
            "log_level": "debug",
            # The last entry is wide: it must not open the API server, which it covers.
            "egress_allow": f"127.0.0.1/32:{outside.port},127.0.0.1/32:{odd.port},127.0.0.0/8:{api_port}",
            "egress_hosts": ",".join(f"{name}={address}" for name, address in NAMES.items()),
            "gateway_trusted_proxies": "127.0.0.1/32",
            "static_keys": f"robot=sha256:{hashlib.sha256(made.static_key.encode()).hexdigest()}",
            "oidc_issuer": made.issuer.url,
            "catalogue_install": "false",
        }
        made.hub = stack.enter_context(running_hub(folder, kubeconfig, settings))
        yield made
