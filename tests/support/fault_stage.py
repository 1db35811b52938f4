"""A hub at work while the ground shakes: what goes on in the cluster meanwhile, and what must be true after.

Each stage is a namespace with a hub of its own (its own ServiceAccount, the chart's rights), so that
many can be broken at once on one control plane.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

import hub_chart
from api_proxy import ApiProxy
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, FarEnd, Reply
from hub_process import HubProcess, running_hub

RECOVERY_SECONDS = 60.0
"""The longest a hub may take from the end of a fault until everything is right again, by itself."""
_CALM_SECONDS = 8.0
_PROBE_SECONDS = 5
_READY = "integration_hub_integration_ready_status"


class Stage:
    """One namespace, its hub, and four Integrations: one is edited, deleted, replaced, created in a fault."""

    def __init__(self, plane: ControlPlane, namespace: str, server: FarEnd) -> None:
        self.plane = plane
        self.namespace = namespace
        self.corner = server.corner(namespace)
        self.corner.behave = _knows_its_callers
        self.hub: HubProcess
        self.proxy: ApiProxy
        self._pid = 0

    # ------------------------------------------------------------------ before

    def set_up(self) -> None:
        """Three Integrations, connected."""
        spec = {
            "displayName": "Far End",
            "category": "communication",
            "baseUrl": self.corner.url,
            "authModes": [{"type": "BEARER"}],
            "probe": {"path": "/me", "intervalSeconds": _PROBE_SECONDS},
            "configSchema": {"channel": {"type": "string", "required": True, "description": "Where to post"}},
        }
        self._apply({**self._head("IntegrationProvider", "far"), "spec": spec})
        for name in ("edited", "deleted", "replaced"):
            self.integration(name)
        for name in ("edited", "deleted", "replaced"):
            self._settles(name, 60)
        self._pid = self.hub.process.pid

    def integration(self, name: str, channel: str = "general") -> None:
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.namespace}}
        spec = {
            "providerRef": {"kind": "IntegrationProvider", "name": "far"},
            "config": {"channel": channel},
            "credentials": {"secretRef": {"name": name}},
            "instance": name,
        }
        body = {**self._head("Integration", name), "spec": spec}
        self._apply({**head, "stringData": {"token": f"right-{name}"}}, body)

    # ------------------------------------------------------------------ meanwhile

    def life_goes_on(self) -> None:
        """What people do while the hub does not see it."""
        self.integration("edited", channel="news")
        for name in ("deleted", "replaced"):
            self.plane.kubectl("delete", "integration", name, "-n", self.namespace, "--timeout=20s")
        self.integration("replaced", channel="anew")
        self.integration("created")

    def feed(self) -> dict[str, Any]:
        """What /readyz tells of the feed."""
        status, body = self.hub.page("/readyz")
        assert status, "the hub does not answer"
        told: dict[str, Any] = json.loads(body)["checks"]["feed"]
        return told

    def is_lost(self) -> bool:
        return not self.feed()["alive"]

    # ------------------------------------------------------------------ after

    def recovers(self, seconds: float = RECOVERY_SECONDS) -> None:
        """Without help and in time: every change is caught up with, and then there is peace."""
        deadline = time.monotonic() + seconds
        for name in ("edited", "replaced", "created"):
            self._settles(name, deadline - time.monotonic())
        eventually(
            lambda: self._metric("deleted") is None,
            "the hub forgets what was deleted",
            seconds=max(1.0, deadline - time.monotonic()),
        )
        eventually(
            lambda: self.hub.page("/readyz")[0] == 200 and self.feed()["alive"],
            "the hub is ready and its feed alive",
            seconds=max(1.0, deadline - time.monotonic()),
        )
        assert self.hub.process.poll() is None
        assert self.hub.process.pid == self._pid
        self._is_calm()
        assert self._complaints() == []

    def _is_calm(self) -> None:
        """Nothing is written any more, the living are probed, the dead are not."""
        before, asked = self._objects(), len(self.corner.asked)
        time.sleep(_CALM_SECONDS)
        after = self._objects()
        assert after == before, f"the hub writes although nothing changes:\n{_difference(before, after)}"
        callers = {request.headers.get("authorization") for request in self.corner.asked[asked:]}
        assert callers == {f"Bearer right-{name}" for name in ("edited", "replaced", "created")}

    def _settles(self, name: str, seconds: float) -> None:
        last: dict[str, Any] = {}

        def settled() -> bool:
            last.update(self._get(name))
            status = last.get("status", {})
            ready: dict[str, Any] = next(
                (each for each in status.get("conditions", ()) if each["type"] == "Ready"), {}
            )
            return (
                ready.get("status") == "True"
                and status.get("observedGeneration") == last["metadata"]["generation"]
                and self._metric(name) == 1
            )

        try:
            eventually(settled, f"{name} is ready as it is now", seconds=max(1.0, seconds))
        except AssertionError as error:
            told = json.dumps(last.get("status"), indent=1)
            log = self.hub.log.read_text()[-4000:]
            raise AssertionError(f"{error}\n{told}\n{self.hub.page('/readyz')}\n{log}") from None

    def _metric(self, name: str) -> float | None:
        labels = {"namespace": self.namespace, "name": name}
        return self.hub.metric(_READY, **labels, status="True") or self.hub.metric(_READY, **labels)

    def _complaints(self) -> list[str]:
        """Stack traces in the log: a fault of the cluster is no bug of ours and must not look like one."""
        return [entry["exception"] for entry in self.hub.entries() if "exception" in entry]

    def _objects(self) -> dict[str, str]:
        """Every Integration as text, its version with it."""
        answer = self.plane.kubectl("get", "integrations", "-n", self.namespace, "-o", "json").stdout
        return {item["metadata"]["name"]: json.dumps(item, indent=1) for item in json.loads(answer)["items"]}

    def _get(self, name: str) -> Any:
        answer = self.plane.kubectl("get", "integration", name, "-n", self.namespace, "-o", "json").stdout
        return json.loads(answer)

    def _head(self, kind: str, name: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "integrationhub.io/v1alpha1", "kind": kind, "metadata": metadata}

    def _apply(self, *documents: dict[str, Any]) -> None:
        text = yaml.safe_dump_all(documents)
        self.plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", input=text)


def _difference(before: dict[str, str], after: dict[str, str]) -> str:
    lines = [
        f"{name}: {line}"
        for name in sorted(before.keys() | after.keys())
        for line in difflib.unified_diff(
            before.get(name, "").splitlines(), after.get(name, "").splitlines(), lineterm="", n=0
        )
    ]
    return "\n".join(lines)


def _knows_its_callers(asked: Asked) -> Reply:
    right = asked.headers.get("authorization", "").startswith("Bearer right-")
    return Reply(200, {"ok": True}) if right else Reply(401, {"ok": False})


@contextmanager
def stage(
    plane: ControlPlane, namespace: str, server: FarEnd, folder: Path, *, proxied: bool = True
) -> Iterator[Stage]:
    """A hub for this one namespace, behind a proxy of its own or directly, with Integrations at work."""
    rights = hub_chart.install_rights(
        plane, namespace, tenants=[namespace], values={"watchNamespaces": [namespace]}
    )
    with ExitStack() as stack:
        made = Stage(plane, namespace, server)
        if proxied:
            made.proxy = stack.enter_context(ApiProxy(plane))
            rights = made.proxy.kubeconfig(rights, folder)
        settings = {
            "namespace": namespace,
            "watch_namespaces": namespace,
            "egress_allow": f"127.0.0.1/32:{server.port}",
        }
        made.hub = stack.enter_context(running_hub(folder / "hub", rights, settings))
        made.set_up()
        yield made
