"""Third-party servers, one of each for a run, and a hub that may call the one that a module names.

A missing server fails: nothing here is skipped. A module that holds the hub against a server overrides
`outside` with its address; the modules run one after the other, so that one hub leads at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import hub_chart
from api_mocks import github_api, stripe_mock
from controlplane import ControlPlane
from far_end import Corner
from gitea_server import Gitea, gitea_server
from hub_caller import HubCaller, hub_caller
from hub_process import HubProcess, running_hub
from keycloak_server import Keycloak, keycloak_server
from s3_server import S3, s3_server
from tenant import Tenant
from vault_server import Vault, vault_server


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with keycloak_server(tmp_path_factory.mktemp("keycloak")) as server:
        yield server


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with gitea_server(tmp_path_factory.mktemp("gitea")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with vault_server(tmp_path_factory.mktemp("vault")) as server:
        yield server


@pytest.fixture(scope="session")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stripe_mock(tmp_path_factory.mktemp("stripe")) as base:
        yield base


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with github_api(tmp_path_factory.mktemp("github")) as base:
        yield base


# --------------------------------------------------------------------------- a hub that may call it


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """Kubeconfig of the hub's own ServiceAccount, with the CRDs and the RBAC of the chart in place."""
    return hub_chart.install_rights(control_plane)


@pytest.fixture(scope="module")
def outside() -> str:
    """Base address of the server that a module's hub may call."""
    raise LookupError("a module that uses `hub` says which server it faces: override `outside`")


@pytest.fixture(scope="module")
def hub_settings(outside: str) -> dict[str, str]:
    """Settings of a module's hub: `outside` is its only way to loopback."""
    allowed = f"127.0.0.1/32:{urlsplit(outside).port}"
    return {"namespace": hub_chart.NAMESPACE, "egress_allow": allowed}


@pytest.fixture(scope="module")
def hub(
    operator_kubeconfig: Path, hub_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubProcess]:
    """`integration-hub run` with the rights of the chart."""
    with running_hub(tmp_path_factory.mktemp("hub"), operator_kubeconfig, hub_settings) as running:
        yield running


@contextmanager
def _tenant_of(plane: ControlPlane, hub: HubProcess, namespace: str, outside: str) -> Iterator[Tenant]:
    hub_chart.serve(plane, namespace)
    before = hub.log.stat().st_size
    yield Tenant(plane, namespace, Corner(outside))
    with hub.log.open() as log:  # what the hub said meanwhile, shown if a test fails
        log.seek(before)
        print(log.read()[-4000:])


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str, outside: str, hub: HubProcess) -> Iterator[Tenant]:
    """A tenant whose namespace the hub serves, and whose providers are at `outside`."""
    with _tenant_of(control_plane, hub, namespace, outside) as made:
        yield made


@pytest.fixture
def caller(control_plane: ControlPlane, tenant: Tenant, hub: HubProcess) -> Iterator[HubCaller]:
    """A service in the tenant's namespace."""
    with hub_caller(control_plane, hub, tenant.namespace) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_tenant(control_plane: ControlPlane, outside: str, hub: HubProcess) -> Iterator[Tenant]:
    """The same for all tests of a module that leave it as they found it."""
    namespace = f"lasting-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(namespace)
    with _tenant_of(control_plane, hub, namespace, outside) as made:
        yield made
    control_plane.delete_namespace(namespace)


@pytest.fixture(scope="module")
def lasting_caller(
    control_plane: ControlPlane, lasting_tenant: Tenant, hub: HubProcess
) -> Iterator[HubCaller]:
    """A service in its namespace."""
    with hub_caller(control_plane, hub, lasting_tenant.namespace) as made:
        yield made
