"""The chart in tests: rendered by a real helm, its rights applied to a real API server.

A program under test connects with the kubeconfig that `install_rights` returns: the hub's own
ServiceAccount with exactly the RBAC of the chart, never the administrator.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from controlplane import binaries

if TYPE_CHECKING:
    from controlplane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "integration-hub"
NAMESPACE = "integration-hub"
TENANT_ROLE = "integration-hub-tenant"

Document = dict[str, Any]

_ACCOUNT = "templates/serviceaccount.yaml"
_OWN = (_ACCOUNT, "templates/rbac-operator.yaml", "templates/rbac-tenants.yaml")
_SHARED = ("templates/crds.yaml", "templates/rbac-aggregated.yaml", "templates/heal-consent.yaml")
"""Cluster-wide and of one name: hubs that share a test cluster share them, from the release NAMESPACE."""


class HelmError(RuntimeError):
    """helm ended with an error; the message is what it said."""


@functools.cache
def _program() -> Path:
    return binaries.locate_helm()


def helm(*arguments: str, kubeconfig: Path | None = None) -> str:
    """Run helm with files of its own (not the user's) and return its output. Raises HelmError."""
    with tempfile.TemporaryDirectory() as home:
        ran = subprocess.run(
            [str(_program()), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": home,
                **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    if ran.returncode:
        raise HelmError(ran.stderr.strip() or ran.stdout.strip())
    return ran.stdout


def render(
    values: Mapping[str, Any] | None = None,
    *,
    release: str = NAMESPACE,
    namespace: str = NAMESPACE,
    only: Iterable[str] = (),
    options: Sequence[str] = (),
) -> list[Document]:
    """What the chart makes of `values`; `only` names templates. Raises HelmError."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(values or {}), file)
        file.flush()
        shown = [part for template in only for part in ("--show-only", template)]
        text = helm(
            "template", release, str(CHART), "--namespace", namespace, "--values", file.name, *shown, *options
        )
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def install_rights(
    plane: ControlPlane,
    namespace: str = NAMESPACE,
    *,
    tenants: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Apply the chart's CRDs, ServiceAccount, roles, bindings and admission policy; no Deployment.

    `namespace` becomes the hub's own and is made if it is not there; a hub per namespace is fine.
    Namespaces in `tenants` are served besides it and have to exist; see also `serve`. Calling it again
    changes nothing. Returns the kubeconfig of the hub's ServiceAccount.
    """
    chosen = {"tenants": list(tenants), **(values or {})}
    shared = _SHARED[:1] if chosen.get("watchNamespaces") else _SHARED
    documents = [
        *render(values, only=shared),
        *render(chosen, release=namespace, namespace=namespace, only=_OWN),
    ]
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    apply(plane, [own, *documents])
    names = [_name(document) for document in documents if document["kind"] == "CustomResourceDefinition"]
    if names:
        plane.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names)
        )
    account = next(document for document in documents if document["kind"] == "ServiceAccount")
    return plane.service_account_kubeconfig(namespace, _name(account))


def serve(plane: ControlPlane, namespace: str, *, hub: str = NAMESPACE) -> None:
    """Let the hub of namespace `hub` read Secrets and patch Deployments in `namespace`, as a tenant would."""
    account = next(
        document
        for document in render(release=hub, namespace=hub, only=[_ACCOUNT])
        if document["kind"] == "ServiceAccount"
    )
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{TENANT_ROLE}-{hub}", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": TENANT_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": _name(account), "namespace": hub}],
    }
    apply(plane, [binding])


def apply(plane: ControlPlane, documents: Iterable[Mapping[str, Any]]) -> None:
    """Apply objects as the administrator, server-side, as helm 4 does."""
    text = yaml.dump_all([dict(document) for document in documents], Dumper=yaml.CSafeDumper)
    plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", input=text)


def _name(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["name"])


# --------------------------------------------------------------------------- what was rendered


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def named(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [each for each in of_kind(documents, kind) if each["metadata"]["name"] == name]
    return found


def deployment(documents: list[Document], name: str = "") -> Document:
    """The one of this name, or the only one there is."""
    if name:
        return named(documents, "Deployment", name)
    (found,) = of_kind(documents, "Deployment")
    return found


def container(documents: list[Document], name: str = "") -> Document:
    found: Document = deployment(documents, name)["spec"]["template"]["spec"]["containers"][0]
    return found


def plain_env(documents: list[Document], name: str = "") -> dict[str, Any]:
    """Its variables; None for one that comes from elsewhere."""
    return {entry["name"]: entry.get("value") for entry in container(documents, name)["env"]}


def of_secrets(documents: list[Document], name: str = "") -> dict[str, tuple[str, str]]:
    """Variables that come from a Secret: its name and key."""
    references = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]
        for entry in container(documents, name)["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    return {variable: (found["name"], found["key"]) for variable, found in references.items()}
