"""Credentials in HashiCorp Vault: what a tenant and an operator of Vault see of it, by kubectl and HTTP.

The hub logs in as in a cluster: with a token of its ServiceAccount, about which Vault asks the API server.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hub_chart
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Corner, FarEnd, Reply, far_end
from hub_caller import HubCaller, hub_caller
from hub_process import HubProcess, running_hub
from tenant import Tenant, head_of
from vault_server import AUDIENCE, MOUNT, ROLE, Vault

pytestmark = [pytest.mark.control_plane, pytest.mark.req("SEC-26")]

CACHE_SECONDS = 0.2
LEASE = "20m"
SECONDS = 90.0
"""Seconds until a change in Vault shows in a status, on a machine that is busy."""


@pytest.fixture(scope="module")
def trusting(vault: Vault, control_plane: ControlPlane, operator_kubeconfig: Path) -> Vault:
    """The same Vault, which lets the hub's ServiceAccount log in."""
    assert operator_kubeconfig.exists()
    vault.trust_cluster(control_plane, hub_chart.NAMESPACE, hub_chart.NAMESPACE, ttl=LEASE)
    return vault


@pytest.fixture(scope="module")
def vendor() -> Iterator[FarEnd]:
    with far_end() as server:
        yield server


@pytest.fixture(scope="module")
def hub_settings(
    trusting: Vault, vendor: FarEnd, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """As the chart's `vault` values make them, with a file in place of the projected token."""
    file = tmp_path_factory.mktemp("projected") / "token"
    account = hub_chart.NAMESPACE
    file.write_text(control_plane.service_account_token(account, account, audience=AUDIENCE))
    vault_port = trusting.base.rpartition(":")[2]
    return {
        "namespace": hub_chart.NAMESPACE,
        "egress_allow": f"127.0.0.1/32:{vendor.port},127.0.0.1/32:{vault_port}",
        "vault_addr": trusting.base,
        "vault_mount": MOUNT,
        "vault_role": ROLE,
        "vault_auth_file": str(file),
        "vault_ca_file": str(trusting.ca),
        "vault_cache_seconds": str(CACHE_SECONDS),
    }


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str, vendor: FarEnd, hub: HubProcess) -> Iterator[Tenant]:
    hub_chart.serve(control_plane, namespace)
    made = Tenant(control_plane, namespace, vendor.corner(uuid.uuid4().hex[:8]))
    before = hub.log.stat().st_size
    yield made
    with hub.log.open() as log:
        log.seek(before)
        print(log.read()[-4000:])
    control_plane.kubectl("delete", "ciprov", made.provider_name, "--ignore-not-found", "--wait=false")


@pytest.fixture
def caller(control_plane: ControlPlane, tenant: Tenant, hub: HubProcess) -> Iterator[HubCaller]:
    with hub_caller(control_plane, hub, tenant.namespace) as made:
        yield made


class Doors:
    """The outside system: lets in who carries one of the tokens that are good now."""

    def __init__(self, corner: Corner, *good: str) -> None:
        self.good = set(good)
        corner.behave = self

    def __call__(self, asked: Asked) -> Reply:
        carried = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply(200, {"ok": True}) if carried in self.good else Reply(401, {"ok": False})


def connect(tenant: Tenant, path: str = "slack", **further: Any) -> None:
    tenant.provider()
    tenant.integration(credentials={"vaultRef": {"path": path, **further}})


def look_now(tenant: Tenant, name: str = "chat") -> None:
    """Have the hub look at once instead of in a quarter of a minute."""
    asked = f"integrationhub.io/test-requested={uuid.uuid4().hex}"
    tenant.plane.kubectl("annotate", "--overwrite", "intg", name, asked, "-n", tenant.namespace)


def call(caller: HubCaller, *, status: int = 200) -> Any:
    return caller.execute("chat", "/me", method="GET", status=status)


def test_an_integration_works_with_what_vault_holds(tenant: Tenant, caller: HubCaller, vault: Vault) -> None:
    token = f"canary-{uuid.uuid4().hex}"
    Doors(tenant.corner, token)
    vault.write(f"{tenant.namespace}/slack", token=token)
    connect(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    assert tenant.condition(condition="CredentialsReady") == ("True", "CredentialsFound")
    assert call(caller)["status"] == 200
    assert tenant.status()["credentials"]["secretVersion"].startswith("1@")
    assert token not in tenant.plane.kubectl("get", "all,secrets,events,intg", "-A", "-o", "yaml").stdout


def test_a_field_may_be_called_otherwise(tenant: Tenant, vault: Vault) -> None:
    Doors(tenant.corner, "right")
    vault.write(f"{tenant.namespace}/apps/slack", bot_token="right", unrelated=5)
    connect(tenant, "apps/slack", keys={"token": "bot_token"})
    tenant.becomes("True", "Succeeded", seconds=SECONDS)


def test_a_new_value_in_vault_is_taken_up(tenant: Tenant, caller: HubCaller, vault: Vault) -> None:
    """First by calls, within the seconds that a value counts, then by the status."""
    doors = Doors(tenant.corner, "first")
    vault.write(f"{tenant.namespace}/slack", token="first")
    connect(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    doors.good = {"second"}
    vault.write(f"{tenant.namespace}/slack", token="second")
    path = "/api/integration-hub/chat/execute"
    body = {"endpoint": "/me", "method": "GET"}
    eventually(
        lambda: caller.client.request("POST", path, json=body).status_code == 200, "a call with the new one"
    )
    eventually(
        lambda: tenant.status()["credentials"].get("secretVersion", "").startswith("2@"),
        "the status knows",
        seconds=SECONDS,
    )
    tenant.becomes("True", "Succeeded", seconds=SECONDS)


def test_no_path_leads_into_another_namespace(tenant: Tenant, vault: Vault) -> None:
    vault.write("somebody-else/slack", token="theirs")
    Doors(tenant.corner, "theirs")
    tenant.provider()
    for path in (
        "../somebody-else/slack",
        "/somebody-else/slack",
        "a//b",
        "..%2fsomebody-else/slack",
        "a/./b",
    ):
        refused = tenant.plane.kubectl(
            "apply", "--server-side", "-f", "-", check=False, input=_integration(tenant, path)
        )
        assert "spec.credentials.vaultRef.path" in refused.stderr, path
    tenant.integration(credentials={"vaultRef": {"path": "somebody-else/slack"}})
    tenant.becomes("False", "SecretNotFound", seconds=SECONDS)
    assert f"{tenant.namespace}/somebody-else/slack at mount secret" in tenant.message()
    assert not tenant.corner.asked


def _integration(tenant: Tenant, path: str) -> str:
    spec = {"providerRef": {"name": tenant.provider_name}, "credentials": {"vaultRef": {"path": path}}}
    return str({**head_of("Integration", "chat", tenant.namespace), "spec": spec})


def test_one_place_is_named_not_two(tenant: Tenant) -> None:
    both = {"vaultRef": {"path": "slack"}, "secretRef": {"name": "token"}}
    spec = {"providerRef": {"name": tenant.provider_name}, "credentials": both}
    document = str({**head_of("Integration", "chat", tenant.namespace), "spec": spec})
    refused = tenant.plane.kubectl("apply", "--server-side", "-f", "-", check=False, input=document)
    assert "credentials come from one place: name secretRef or vaultRef, not both" in refused.stderr


def test_what_is_missing_is_named_and_mends_itself(tenant: Tenant, vault: Vault) -> None:
    Doors(tenant.corner, "right")
    connect(tenant, keys={"token": "bot_token"})
    tenant.becomes("False", "SecretNotFound", seconds=SECONDS)
    assert f"Vault has no secret {tenant.namespace}/slack at mount secret" in tenant.message()
    vault.write(f"{tenant.namespace}/slack", other="canary-of-the-other-field")
    look_now(tenant)
    tenant.becomes("False", "SecretKeyMissing", seconds=SECONDS)
    assert "lacks field bot_token" in tenant.message()
    assert "canary" not in str(tenant.status())
    vault.write(f"{tenant.namespace}/slack", bot_token="right")
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    vault.delete(f"{tenant.namespace}/slack")
    tenant.becomes("False", "SecretNotFound", seconds=SECONDS)
    assert "was deleted in Vault" in tenant.message()


def test_a_path_that_the_policy_lacks_is_told_and_no_login_tries_again(tenant: Tenant, vault: Vault) -> None:
    Doors(tenant.corner, "right")
    vault.write(f"{tenant.namespace}/slack", token="right")
    connect(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    logins = vault.logins("kubernetes")
    vault.policy(
        f'path "{MOUNT}/data/*" {{ capabilities = ["read"] }}',
        f'path "{MOUNT}/data/{tenant.namespace}/*" {{ capabilities = ["deny"] }}',
    )
    try:
        tenant.becomes("False", "VaultAccessDenied", seconds=SECONDS)
        assert "permission denied" in tenant.message()
        assert vault.logins("kubernetes") == logins
    finally:
        vault.policy(f'path "{MOUNT}/data/*" {{ capabilities = ["read"] }}')
    look_now(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)


def test_a_sealed_vault_stops_nothing_that_works_and_is_told(
    tenant: Tenant, caller: HubCaller, vault: Vault
) -> None:
    Doors(tenant.corner, "right")
    vault.write(f"{tenant.namespace}/slack", token="right")
    vault.write(f"{tenant.namespace}/late", token="right")
    connect(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    vault.seal()
    try:
        tenant.becomes("True", "VaultUnavailable", condition="CredentialsReady", seconds=SECONDS)
        assert "Vault is sealed" in tenant.message(condition="CredentialsReady")
        assert tenant.condition() == ("True", "Succeeded")
        assert call(caller)["status"] == 200
        spec = {"credentials": {"vaultRef": {"path": "late"}}, "instance": "late"}
        tenant.integration("late", **spec)
        tenant.becomes("False", "VaultUnavailable", name="late", seconds=SECONDS)
    finally:
        vault.unseal()
    tenant.becomes("True", "CredentialsFound", condition="CredentialsReady", seconds=SECONDS)
    look_now(tenant, "late")
    tenant.becomes("True", "Succeeded", name="late", seconds=SECONDS)


def test_a_revoked_token_is_replaced_by_a_new_login(tenant: Tenant, caller: HubCaller, vault: Vault) -> None:
    doors = Doors(tenant.corner, "first")
    vault.write(f"{tenant.namespace}/slack", token="first")
    connect(tenant)
    tenant.becomes("True", "Succeeded", seconds=SECONDS)
    vault.revoke_logins("kubernetes")
    doors.good = {"second"}
    vault.write(f"{tenant.namespace}/slack", token="second")
    path, body = "/api/integration-hub/chat/execute", {"endpoint": "/me", "method": "GET"}
    eventually(
        lambda: caller.client.request("POST", path, json=body).status_code == 200, "a call with the new one"
    )
    assert vault.logins("kubernetes") >= 1
    tenant.becomes("True", "CredentialsFound", condition="CredentialsReady", seconds=SECONDS)


@pytest.mark.parametrize("method", ["approle", "token"])
def test_other_ways_to_log_in_work_too(
    method: str,
    vault: Vault,
    vendor: FarEnd,
    control_plane: ControlPlane,
    tmp_path: Path,
    hub_settings: dict[str, str],
) -> None:
    """With a hub of its own in a namespace of its own, beside the module's."""
    home = f"hub-{uuid.uuid4().hex[:8]}"
    file, role = tmp_path / "proof", ""
    if method == "approle":
        role, proof = vault.approle(ttl=LEASE, uses=1)
    else:
        proof = vault.token(ROLE)
    file.write_text(proof)
    control_plane.create_namespace(home)
    kubeconfig = hub_chart.install_rights(
        control_plane, home, values={"watchNamespaces": [home], "catalogue": {"install": False}}
    )
    settings = {
        **hub_settings,
        "namespace": home,
        "watch_namespaces": home,
        "vault_auth": method,
        "vault_role": role,
        "vault_auth_file": str(file),
    }
    mine = Tenant(control_plane, home, vendor.corner(uuid.uuid4().hex[:8]))
    Doors(mine.corner, "right")
    vault.write(f"{home}/slack", token="right")
    with running_hub(tmp_path / "hub", kubeconfig, settings):
        provider = head_of("IntegrationProvider", "far", home)
        spec = {
            "displayName": "Far End",
            "category": "communication",
            "baseUrl": mine.corner.url,
            "authModes": [{"type": "BEARER"}],
            "probe": {"path": "/me", "intervalSeconds": 5},
        }
        mine.apply({**provider, "spec": spec})
        reference = {"kind": "IntegrationProvider", "name": "far"}
        mine.integration(providerRef=reference, config={}, credentials={"vaultRef": {"path": "slack"}})
        mine.becomes("True", "Succeeded", seconds=SECONDS)
        made = vault.logins("approle") if method == "approle" else 0
    if method == "approle":
        eventually(lambda: vault.logins("approle") < made, "the token ends with the hub")
