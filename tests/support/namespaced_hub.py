"""A hub without cluster rights, as its users get one: by helm, from somebody who is admin of some namespaces.

The cluster's administrator has applied two files before, and nothing else. The process then runs with the
rights and the variables of what helm installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import hub_chart
from controlplane import ControlPlane
from eventually import eventually
from far_end import FarEnd
from hub_process import HubProcess, running_hub

HOME, SERVED, WATCHED, ELSEWHERE = "hub-x", "team-x", "team-y", "shop"
"""The hub's own namespace, one that lets it in, one that does not yet, and one it has nothing to do with."""
RELEASE, ACCOUNT = "x", "x-integration-hub"
_PREREQUISITES = ("crds/crds.yaml", "manifests/namespaced/roles.yaml")
_PREFIX = "INTEGRATION_HUB_"
_OURS = {"watch_namespaces", "service_account", "catalogue_install", "heal_admission_policy"}


@dataclass(frozen=True)
class Namespaced:
    """`lead` is the kubeconfig of who installed it: admin of the hub's namespaces, nobody elsewhere."""

    plane: ControlPlane
    outside: FarEnd
    hub: HubProcess
    lead: Path
    rights: Path

    def token(self, namespace: str, account: str, *, audience: str, **bound: Any) -> str:
        """A token of a ServiceAccount, bound to an object where `bound` names one."""
        spec = {"audiences": [audience], **({"boundObjectRef": bound} if bound else {})}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.plane.api.request("POST", path, body)["status"]["token"])

    def pod(self, namespace: str, name: str, account: str) -> str:
        """A pod of this ServiceAccount, on a node; its uid."""
        spec = {
            "serviceAccountName": account,
            "containers": [{"name": "service", "image": "example.com/service:1"}],
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.plane.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(body))
        self.plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        found = self.plane.kubectl("get", "pod", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")
        return found.stdout


@contextmanager
def namespaced_hub(folder: Path, outside: FarEnd) -> Iterator[Namespaced]:
    """A control plane of its own: hubs for the whole cluster would work for the same namespaces."""
    with ControlPlane.start(kwok_nodes=1) as plane:
        for file in _PREREQUISITES:
            plane.kubectl("apply", "--server-side", "-f", str(hub_chart.ROOT / file))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        lead = _lead(plane)
        settings = _installed(plane, lead, folder)
        rights = plane.service_account_kubeconfig(HOME, ACCOUNT)
        settings |= {"namespace": HOME, "egress_allow": f"127.0.0.1/32:{outside.port}"}
        with running_hub(folder / "hub", rights, settings) as hub:
            yield Namespaced(plane, outside, hub, lead, rights)


def _lead(plane: ControlPlane) -> Path:
    """Somebody with the role admin in three namespaces, and the one that lets them install a hub."""
    for name in (HOME, SERVED, WATCHED, ELSEWHERE, "people"):
        plane.create_namespace(name)
    plane.kubectl("create", "serviceaccount", "lead", "-n", "people")
    for name in (HOME, SERVED, WATCHED):
        for role in ("admin", "integration-hub-installer"):
            binding = ("create", "rolebinding", f"lead-{role}", f"--clusterrole={role}", "-n", name)
            plane.kubectl(*binding, "--serviceaccount=people:lead")
    kubeconfig = plane.service_account_kubeconfig("people", "lead")
    for name in (HOME, SERVED, WATCHED):
        for right in (("create", "integrations"), ("patch", "integrations", "--subresource=status")):
            verb, kind, *options = right
            asked = ("auth", "can-i", verb, f"{kind}.integrationhub.io", "-n", name, *options)
            eventually(
                lambda asked=asked: (  # type: ignore[misc]
                    plane.kubectl(*asked, as_kubeconfig=kubeconfig, check=False).stdout.strip() == "yes"
                ),
                f"the lead may {right} in {name}",
                seconds=60,
            )
    return kubeconfig


def _installed(plane: ControlPlane, lead: Path, folder: Path) -> dict[str, str]:
    """Install the chart as the lead; the settings that its Deployment gives to the program."""
    chosen = {"watchNamespaces": [SERVED, WATCHED], "tenants": [SERVED], "crds": {"install": False}}
    values = folder / "values.yaml"
    values.write_text(yaml.safe_dump(chosen))
    release = (RELEASE, str(hub_chart.CHART), "--namespace", HOME, "--values", str(values))
    hub_chart.helm("install", *release, kubeconfig=lead)
    made = json.loads(plane.kubectl("get", "deployment", ACCOUNT, "-n", HOME, "-o", "json").stdout)
    environment = hub_chart.container([made])["env"]
    told = {each["name"].removeprefix(_PREFIX).lower(): each.get("value", "") for each in environment}
    return {name: told[name] for name in _OURS}
