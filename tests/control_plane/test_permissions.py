"""What the hub may do in a cluster, and who may have it heal a Deployment."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import hub_chart
import samples
from controlplane import ControlPlane
from eventually import eventually

pytestmark = pytest.mark.control_plane

GOLDEN = hub_chart.ROOT / "tests" / "golden" / "can-i"


@pytest.mark.req("SEC-07")
@pytest.mark.parametrize("place", ["its-own-namespace", "a-served-namespace", "any-other-namespace"])
def test_the_hub_may_do_exactly_what_is_written_down(
    control_plane: ControlPlane, namespace: str, place: str
) -> None:
    """`kubectl auth can-i --list` as the hub, against tests/golden/can-i. UPDATE_GOLDEN=1 writes it anew."""
    hub = f"{namespace}-hub"
    tenants = [namespace] if place == "a-served-namespace" else []
    kubeconfig = hub_chart.install_rights(control_plane, hub, tenants=tenants)
    asked = hub if place == "its-own-namespace" else namespace
    try:
        listed = control_plane.kubectl(
            *("auth", "can-i", "--list", "--namespace", asked), as_kubeconfig=kubeconfig
        ).stdout
    finally:
        control_plane.delete_namespace(hub)
    # Paths such as /healthz are what Kubernetes lets everybody read.
    rows = sorted(line.rstrip() for line in listed.splitlines()[1:] if "[/" not in line)
    text = "".join(f"{re.sub(' {2,}', '  ', row)}\n" for row in rows)
    golden = GOLDEN / f"{place}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.req("SEC-07", "PLT-08")
@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "secrets"),
        ("get", "secrets"),
        ("patch", "deployments.apps"),
        ("create", "pods"),
        ("patch", "integrations.integrationhub.io"),
        ("update", "productregistrations.integrationhub.io"),
        ("delete", "clusterintegrationproviders.integrationhub.io"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
    ],
)
def test_what_the_hub_may_not_do_in_the_cluster(
    control_plane: ControlPlane, operator_kubeconfig: Path, verb: str, resource: str
) -> None:
    ran = control_plane.kubectl(
        *("auth", "can-i", verb, resource, "--all-namespaces"), as_kubeconfig=operator_kubeconfig, check=False
    )
    assert ran.stdout.strip() == "no"


@pytest.mark.req("SEC-07")
@pytest.mark.parametrize(
    ("role", "verb", "allowed"),
    [("view", "get", "yes"), ("view", "create", "no"), ("edit", "create", "yes"), ("admin", "delete", "yes")],
)
@pytest.mark.usefixtures("operator_kubeconfig")
def test_kubernetes_own_roles_cover_the_hubs_kinds(
    control_plane: ControlPlane, namespace: str, role: str, verb: str, allowed: str
) -> None:
    where = ("--namespace", namespace)
    control_plane.kubectl(*where, "create", "rolebinding", "r", f"--clusterrole={role}", "--user=alice")
    question = (*where, "auth", "can-i", verb, "integrations.integrationhub.io", "--as=alice")
    eventually(
        lambda: control_plane.kubectl(*question, check=False).stdout.strip() == allowed, "the aggregated role"
    )


# --------------------------------------------------------------------------- consent to healing


@pytest.fixture
def people(control_plane: ControlPlane, operator_kubeconfig: Path, namespace: str) -> str:
    """A namespace where alice and bob may write ProductRegistrations, and bob patch Deployment `dataflow`."""
    where = ("--namespace", namespace, "create")
    writing = (
        "--verb=get,list,create,update,patch,delete",
        "--resource=productregistrations.integrationhub.io",
    )
    control_plane.kubectl(*where, "role", "writer", *writing)
    control_plane.kubectl(*where, "rolebinding", "writer", "--role=writer", "--user=alice", "--user=bob")
    patching = ("--verb=patch", "--resource=deployments.apps", "--resource-name=dataflow")
    control_plane.kubectl(*where, "role", "owner", *patching)
    control_plane.kubectl(*where, "rolebinding", "owner", "--role=owner", "--user=bob")
    policy = "The ProductRegistration"
    unentitled = samples.product(namespace, workload="dataflow")
    eventually(
        lambda: refused_to("alice", control_plane, unentitled) is not None, f"{policy} policy in force"
    )
    return namespace


def refused_to(user: str, plane: ControlPlane, body: dict[str, Any], *, dry_run: bool = True) -> str | None:
    """The API server's refusal of what this person applies; None if it goes through."""
    ran = plane.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--field-manager", "people", "--as", user),
        *(["--dry-run=server"] if dry_run else []),
        *("--filename", "-"),
        input=json.dumps(body),
        check=False,
    )
    return ran.stderr if ran.returncode else None


@pytest.mark.req("SEC-07")
def test_naming_a_deployment_takes_the_right_to_patch_it(control_plane: ControlPlane, people: str) -> None:
    assert refused_to("alice", control_plane, samples.product(people)) is None
    message = refused_to("alice", control_plane, samples.product(people, workload="dataflow"))
    assert message is not None
    assert f"spec.workloadRef: alice may not patch Deployment {people}/dataflow" in message
    assert refused_to("bob", control_plane, samples.product(people, workload="dataflow")) is None
    assert "pulse" in (refused_to("bob", control_plane, samples.product(people, workload="pulse")) or "")


@pytest.mark.req("SEC-07")
def test_a_consent_that_stands_is_not_asked_for_again_but_for_more(
    control_plane: ControlPlane, people: str
) -> None:
    assert (
        refused_to("bob", control_plane, samples.product(people, workload="dataflow"), dry_run=False) is None
    )
    for wish, changes, allowed in (
        ("another version", {"version": "1.0.1"}, True),
        ("more actions", {"heal": {"allowedActions": ["restart", "updateImage"]}}, False),
        ("an image of her own", {"heal": {"updates": {"image": "evil", "policy": "minor"}}}, False),
        ("a health address of her own", {"healthEndpoint": "http://nobody:8080/health"}, False),
        ("a product of her own", {"apiEndpoint": "http://nobody:8080"}, False),
        ("no healing", {"heal": {"enabled": False}}, True),
        ("no healing, elsewhere", {"heal": {"enabled": False}, "apiEndpoint": "http://nobody"}, True),
    ):
        message = refused_to("alice", control_plane, samples.product(people, workload="dataflow", **changes))
        assert (message is None) is allowed, f"{wish}: {message}"
    assert "pulse" in (refused_to("alice", control_plane, samples.product(people, workload="pulse")) or "")
    approve = ("annotate", "prodreg", "itechsmart-dataflow", "integrationhub.io/heal-approve=restart-1")
    approval = control_plane.kubectl("--namespace", people, *approve, "--as=alice", check=False)
    assert "may not patch Deployment" in approval.stderr
    dropped = '[{"op": "remove", "path": "/spec/workloadRef"}]'
    control_plane.kubectl(
        *("--namespace", people, "patch", "prodreg", "itechsmart-dataflow", "--as=alice"),
        *("--type=json", "--patch", dropped),
    )


@pytest.mark.req("SEC-07")
def test_the_hub_itself_is_not_asked(control_plane: ControlPlane, people: str) -> None:
    """It writes a spec only on behalf of somebody whose rights it checked."""
    where = ("--namespace", people, "create", "rolebinding", "hub")
    hub = f"{hub_chart.NAMESPACE}:{hub_chart.NAMESPACE}"
    control_plane.kubectl(*where, "--role=writer", f"--serviceaccount={hub}")
    user = f"system:serviceaccount:{hub}"
    assert refused_to(user, control_plane, samples.product(people, workload="dataflow")) is None
