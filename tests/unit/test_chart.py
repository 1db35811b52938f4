"""What the chart makes of its values, as a real helm renders it. No API server is asked."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hub_chart
import integration_hub
from hub_chart import (
    Document,
    HelmError,
    container,
    deployment,
    named,
    of_kind,
    of_secrets,
    plain_env,
    render,
)
from integration_hub import permissions
from integration_hub.api.kinds import KINDS
from integration_hub.settings import Settings

CLUSTER_SCOPED_RIGHTS = {"ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"}
DIGEST = f"sha256:{'a' * 64}"
PORTS = {"health": "probe", "http": "gateway"}
POSTGRESQL = {"type": "postgresql", "postgresql": {"existingSecret": "hub-store"}}
VALUES = (hub_chart.CHART / "values.yaml").read_text()


@pytest.fixture(scope="module")
def defaults() -> list[Document]:
    return render()


def test_helm_finds_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in hub_chart.helm("lint", "--strict", str(hub_chart.CHART))


def test_chart_and_program_carry_one_version() -> None:
    chart = yaml.safe_load((hub_chart.CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == integration_hub.__version__


@pytest.mark.req("SEC-11")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"image": {"tagg": "1"}}, "at '/image': additional properties 'tagg' not allowed"),
        ({"egress": {"ca": {"secret": "x"}}}, "at '/egress/ca': additional properties 'secret' not allowed"),
        ({"replicas": 0}, "at '/replicas': minimum"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"log": {"level": "loud"}}, "at '/log/level': value must be one of 'debug'"),
        ({"roles": ["janitor"]}, "at '/roles/0': value must be one of 'operator', 'gateway'"),
        ({"replicas": 2}, "at '/replicas': maximum: got 2, want 1"),
        ({"split": True}, "at '/split'"),
        ({"gateway": {"autoscaling": {"enabled": True}}}, "at '/gateway/autoscaling/enabled'"),
        ({"store": {"type": "postgresql"}}, "at '/store/postgresql/existingSecret'"),
        ({"encryption": {"existingSecret": ""}}, "at '/encryption/existingSecret'"),
        ({"gateway": {"ingress": {"enabled": True}}}, "at '/gateway/ingress/host'"),
        ({"gateway": {"httpRoute": {"enabled": True}}}, "at '/gateway/httpRoute/"),
        ({"gateway": {"trustedProxies": ["10.0.0.1"]}}, "at '/gateway/trustedProxies/0'"),
        ({"gateway": {"publicUrl": "https://user@hub.example.com"}}, "at '/gateway/publicUrl'"),
        ({"cache": {"redisUrl": "redis://:hunter2@redis:6379"}}, "at '/cache/redisUrl'"),
        ({"vault": {"path": "{path}"}}, "at '/vault/path'"),
        ({"vault": {"path": "{namespace}-{path}"}}, "at '/vault/path'"),
        ({"vault": {"address": "https://user@vault:8200"}}, "at '/vault/address'"),
        ({"vault": {"address": "https://vault:8200"}}, "at '/vault/auth/role'"),
        (
            {"vault": {"address": "https://vault:8200", "auth": {"method": "token"}}},
            "at '/vault/auth/existingSecret'",
        ),
        ({"oauth": {"clients": {"slack": {"clientSecret": "s"}}}}, "at '/oauth/clients/slack'"),
        ({"tenants": ["Team A"]}, "at '/tenants/0'"),
        ({"tenants": ["*", "team-a"]}, "at '/tenants': maxItems"),
        ({"watchNamespaces": ["*"]}, "at '/watchNamespaces/0'"),
        ({"watchNamespaces": ["a"], "tenants": ["*"]}, 'tenants: "*" needs cluster rights'),
        ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
        ({"egress": {"allow": ["10.0.0.0/8"]}}, "at '/egress/allow/0'"),
        ({"egress": {"deny": ["34.118.224.0"]}}, "at '/egress/deny/0'"),
        ({"egress": {"hosts": {"erp.company.com": "erp"}}}, "at '/egress/hosts/erp.company.com'"),
        ({"extraEnv": [{"name": "INTEGRATION_HUB_API_QPS", "value": "1"}]}, "set by another value"),
        ({"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "or twice"),
        (
            {"metrics": {"serviceMonitor": {"enabled": True, "renderMode": "failIfMissing"}}},
            "this cluster has no ServiceMonitor",
        ),
        (
            {"metrics": {"prometheusRule": {"enabled": True, "renderMode": "failIfMissing"}}},
            "metrics.prometheusRule: this cluster has no PrometheusRule",
        ),
    ],
    ids=lambda value: json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError, match=re.escape(message)):
        render(values)


def test_every_object_of_the_schema_is_closed() -> None:
    """An open one would swallow a misspelt key. Open on purpose: what Kubernetes itself defines."""
    schema = json.loads((hub_chart.CHART / "values.schema.json").read_text())
    assert {path for path, node in _objects(schema) if "additionalProperties" not in node} == {
        "global",
        "affinity.nodeAffinity",
        "affinity.podAffinity",
        "affinity.podAntiAffinity",
        "extraEnv[].valueFrom",
        "gateway.httpRoute.api.parentRefs[]",
        "gateway.httpRoute.parentRefs[]",
        "gateway.resources.claims[]",
        "networkPolicy.egress[]",
        "networkPolicy.from[]",
        "networkPolicy.gatewayFrom[]",
        "resources.claims[]",
        "topologySpreadConstraints[]",
    }


def _objects(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if node.get("type") == "object":
        yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from _objects(inner, f"{path}.{name}".lstrip("."))
    if isinstance(node.get("items"), dict):
        yield from _objects(node["items"], f"{path}[]")


def test_schema_and_values_name_the_same_keys() -> None:
    schema = json.loads((hub_chart.CHART / "values.schema.json").read_text())
    assert _keys(yaml.safe_load(VALUES), schema) == set()


def _keys(values: Any, schema: Any, path: str = "") -> set[str]:
    """Keys that one has and the other lacks, where the schema lists its keys."""
    listed = schema.get("properties")
    if listed is None or not isinstance(values, dict):
        return set()
    optional = {"global", "claims", "nodeAffinity", "podAffinity", "podAntiAffinity"}
    differing = {f"{path}{key}" for key in (values.keys() ^ listed.keys()) - optional}
    shared = values.keys() & listed.keys()
    return differing.union(*(_keys(values[key], listed[key], f"{path}{key}.") for key in shared))


def test_every_value_is_explained() -> None:
    lines = VALUES.splitlines()
    silent = [
        line.strip()
        for before, line in itertools.pairwise(lines)
        if re.match(r"\s*[A-Za-z]+: *\S", line) and not before.lstrip().startswith("#")
    ]
    assert silent == []


def test_the_readme_lists_every_value_with_its_default() -> None:
    readme = (hub_chart.CHART / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", readme, re.MULTILINE))
    assert rows == {path: json.dumps(value) for path, value in _leaves(yaml.safe_load(VALUES))}


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_the_chart_brings_every_kind_and_no_object_of_them(defaults: list[Document]) -> None:
    definitions = of_kind(defaults, "CustomResourceDefinition")
    assert {d["metadata"]["name"] for d in definitions} == {info.crd_name for info in KINDS}
    assert not of_kind(defaults, *(info.kind for info in KINDS))


def test_definitions_are_kept_on_uninstall_unless_told_otherwise(defaults: list[Document]) -> None:
    def policies(documents: list[Document]) -> set[str | None]:
        return {
            document["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            for document in of_kind(documents, "CustomResourceDefinition")
        }

    assert policies(defaults) == {"keep"}
    assert policies(render({"crds": {"keep": False}})) == {None}
    assert not of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition")


def test_rendered_definitions_are_the_generated_ones(defaults: list[Document]) -> None:
    generated = {
        document["metadata"]["name"]: document["spec"]
        for document in yaml.safe_load_all((hub_chart.ROOT / "crds" / "crds.yaml").read_text())
    }
    assert generated == {
        document["metadata"]["name"]: document["spec"]
        for document in of_kind(defaults, "CustomResourceDefinition")
    }


@pytest.mark.req("SEC-07")
def test_no_role_has_a_wildcard_or_reads_secrets_of_the_cluster(defaults: list[Document]) -> None:
    rules = [
        (document["metadata"]["name"], rule)
        for document in of_kind(defaults, "ClusterRole", "Role")
        for rule in document["rules"]
    ]
    assert not [name for name, rule in rules if "*" in str(rule)]
    assert {name for name, rule in rules if "secrets" in rule["resources"]} == {"integration-hub-tenant"}
    (bound,) = of_kind(defaults, "ClusterRoleBinding")
    assert bound["roleRef"]["name"] == "integration-hub-operator"


@pytest.mark.req("SEC-07")
@pytest.mark.parametrize(
    ("tenants", "served"),
    [
        ([], {"integration-hub"}),
        (["team-a", "team-b"], {"integration-hub", "team-a", "team-b"}),
        (["integration-hub"], {"integration-hub"}),
        (["*"], {"everywhere"}),
    ],
    ids=["its own", "its own and those named", "its own once", "every namespace"],
)
def test_the_hub_serves_namespaces_that_the_installer_names(tenants: list[str], served: set[str]) -> None:
    documents = render({"tenants": tenants}, only=["templates/rbac-tenants.yaml"])
    bindings = of_kind(documents, "RoleBinding", "ClusterRoleBinding")
    assert {b["metadata"].get("namespace", "everywhere") for b in bindings} == served
    assert {b["roleRef"]["name"] for b in bindings} == {"integration-hub-tenant"}


@pytest.mark.req("SEC-07")
def test_a_namespaced_install_asks_for_nothing_of_the_cluster() -> None:
    documents = render(
        {"watchNamespaces": ["team-a", "team-b"], "tenants": ["team-a"], "crds": {"install": False}}
    )
    assert {document["metadata"].get("namespace") for document in documents} == {
        "integration-hub",
        "team-a",
        "team-b",
    }
    assert not of_kind(documents, *CLUSTER_SCOPED_RIGHTS)
    roles = {(r["metadata"]["namespace"], r["metadata"]["name"]) for r in of_kind(documents, "Role")}
    assert roles == {
        ("integration-hub", "integration-hub-own-namespace"),
        ("integration-hub", "integration-hub-tenant"),
        ("team-a", "integration-hub-operator"),
        ("team-a", "integration-hub-tenant"),
        ("team-b", "integration-hub-operator"),
        ("team-b", "integration-hub-tenant"),
    }
    bound = {(b["metadata"]["namespace"], b["roleRef"]["name"]) for b in of_kind(documents, "RoleBinding")}
    assert bound == roles - {("team-b", "integration-hub-tenant")}, "that one waits for consent"
    assert plain_env(documents)["INTEGRATION_HUB_WATCH_NAMESPACES"] == "team-a,team-b"
    assert plain_env(documents)["INTEGRATION_HUB_CATALOGUE_INSTALL"] == "false"
    assert plain_env(documents)["INTEGRATION_HUB_HEAL_ADMISSION_POLICY"] == "false"


def test_roles_are_the_ones_the_code_declares(defaults: list[Document]) -> None:
    """One source: the chart has every permission that the code declares, and no other."""
    rendered = {r["metadata"]["name"]: r["rules"] for r in of_kind(defaults, "ClusterRole", "Role")}
    for name, declared in (
        ("integration-hub-operator", permissions.OPERATOR),
        ("integration-hub-own-namespace", permissions.OWN_NAMESPACE),
        ("integration-hub-tenant", permissions.TENANT),
        ("integration-hub-view", permissions.VIEW),
        ("integration-hub-edit", permissions.EDIT),
        ("integration-hub-admin", permissions.ADMIN),
    ):
        assert [(set(r["resources"]), set(r["verbs"])) for r in rendered[name]] == [
            (set(p.resources), set(p.verbs)) for p in declared
        ]


def test_the_pod_is_as_restricted_as_kubernetes_knows(defaults: list[Document]) -> None:
    pod = deployment(defaults)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(defaults)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_the_port_that_the_program_serves(defaults: list[Document]) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(defaults)["ports"]}
    assert ports == {name: Settings.model_fields[f"{field}_port"].default for name, field in PORTS.items()}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container(defaults)[probe]["httpGet"] == {"path": path, "port": "health"}


def test_one_replica_is_replaced_several_roll_and_are_protected(defaults: list[Document]) -> None:
    assert deployment(defaults)["spec"]["strategy"]["type"] == "Recreate"
    assert not of_kind(defaults, "PodDisruptionBudget")
    several = render({"replicas": 2, "store": POSTGRESQL})
    assert deployment(several)["spec"]["strategy"]["type"] == "RollingUpdate"
    (budget,) = of_kind(several, "PodDisruptionBudget")
    assert budget["spec"]["selector"] == deployment(several)["spec"]["selector"]


def test_values_reach_the_program_as_it_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = render(
        {
            "egress": {
                "allow": ["10.0.0.0/8:443", "[::1]:80"],
                "deny": ["34.118.224.0/20", "2600:1900::/28"],
                "hosts": {"erp.company.com": "10.1.2.3"},
            },
            "apiBudget": {"qps": 250},
            "catalogue": {"install": False},
            "log": {"level": "debug", "format": "text"},
        }
    )
    for name, value in plain_env(documents).items():
        if name not in of_secrets(documents):
            monkeypatch.setenv(name, value if value is not None else "hub")
    settings = Settings()
    assert settings.namespace == "hub"
    assert settings.watch_namespaces == ()
    assert settings.egress_allow == ("10.0.0.0/8:443", "[::1]:80")
    assert settings.egress_deny == ("34.118.224.0/20", "2600:1900::/28")
    assert settings.egress_hosts == {"erp.company.com": "10.1.2.3"}
    assert settings.api_qps == 250
    assert not settings.catalogue_install
    assert (settings.log_level, settings.log_format) == ("debug", "text")


@pytest.mark.req("SEC-07")
@pytest.mark.parametrize("installed", [True, False])
def test_the_program_knows_whether_the_admission_policy_is_there(installed: bool) -> None:
    """Without it, nobody asks who names a Deployment, and the hub has to ask for the label."""
    documents = render({"healConsent": {"admissionPolicy": installed}})
    assert plain_env(documents)["INTEGRATION_HUB_HEAL_ADMISSION_POLICY"] == str(installed).lower()
    assert bool(of_kind(documents, "ValidatingAdmissionPolicy")) is installed


VAULT = {"address": "https://vault.vault.svc:8200", "auth": {"role": "hub"}}


@pytest.mark.parametrize(
    ("auth", "source"),
    [
        (
            {"role": "hub"},
            {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
        ),
        (
            {"method": "approle", "role": "id", "existingSecret": "vault-approle", "key": "secret-id"},
            {"secret": {"name": "vault-approle", "items": [{"key": "secret-id", "path": "token"}]}},
        ),
        (
            {"method": "token", "existingSecret": "vault-token"},
            {"secret": {"name": "vault-token", "items": [{"key": "token", "path": "token"}]}},
        ),
    ],
    ids=["kubernetes", "approle", "token"],
)
def test_what_proves_the_hub_to_vault_is_a_file_that_the_program_reads(
    auth: dict[str, Any], source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = render({"vault": {**VAULT, "auth": auth, "ca": {"configMap": "vault-ca"}}})
    for name, value in plain_env(documents).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.vault_addr == VAULT["address"]
    assert (settings.vault_auth, settings.vault_role) == (
        auth.get("method", "kubernetes"),
        auth.get("role", ""),
    )
    assert settings.vault_path == "{namespace}/{path}"
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in container(documents)["volumeMounts"]}
    assert settings.vault_auth_file == mounts["vault"] / "token"
    assert settings.vault_ca_file == mounts["vault-ca"] / "ca.crt"
    volumes = {each["name"]: each for each in deployment(documents)["spec"]["template"]["spec"]["volumes"]}
    assert volumes["vault"]["projected"]["sources"] == [source]
    assert volumes["vault-ca"]["configMap"] == {"name": "vault-ca"}


def test_without_a_vault_nothing_is_mounted_for_one(defaults: list[Document]) -> None:
    assert not {"vault", "vault-ca"} & {mount["name"] for mount in container(defaults)["volumeMounts"]}
    assert not [name for name in plain_env(defaults) if "VAULT" in name]


def test_the_chart_sets_no_variable_that_the_program_does_not_know() -> None:
    documents = render({"egress": {"ca": {"configMap": "company-ca"}}, "vault": VAULT})
    prefix = "INTEGRATION_HUB_"
    assert {
        name.removeprefix(prefix).lower() for name in plain_env(documents)
    } <= Settings.model_fields.keys()
    mounts = {mount["name"]: mount["mountPath"] for mount in container(documents)["volumeMounts"]}
    assert plain_env(documents)["INTEGRATION_HUB_EGRESS_CA_FILE"] == f"{mounts['ca']}/ca.crt"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, f"integrationhub/integration-hub:{integration_hub.__version__}"),
        ({"repository": "localhost:5000/hub", "tag": "ci"}, "localhost:5000/hub:ci"),
        (
            {"tag": "ci", "digest": f"sha256:{'a' * 64}"},
            f"integrationhub/integration-hub@sha256:{'a' * 64}",
        ),
    ],
    ids=["the chart's version", "repository and tag", "a digest wins"],
)
def test_the_image(image: dict[str, str], expected: str) -> None:
    assert container(render({"image": image}))["image"] == expected


@pytest.mark.parametrize(
    ("mode", "options", "count"),
    [
        ("skipIfMissing", (), 0),
        ("alwaysRender", (), 1),
        ("failIfMissing", ("--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"), 1),
    ],
)
def test_a_service_monitor_where_the_cluster_knows_it(
    mode: str, options: tuple[str, ...], count: int
) -> None:
    values = {"metrics": {"serviceMonitor": {"enabled": True, "renderMode": mode}}}
    documents = render(values, options=options)
    monitors = of_kind(documents, "ServiceMonitor")
    assert len(monitors) == count
    for monitor in monitors:
        service = named(documents, "Service", "integration-hub-metrics")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_a_network_policy_lets_in_scrapes_and_the_gateways_clients_alone() -> None:
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    client = {"namespaceSelector": {"matchLabels": {"hub": "client"}}}
    values = {"enabled": True, "from": [scraper], "gatewayFrom": [client]}
    (policy,) = of_kind(render({"networkPolicy": values}), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"] == [
        {"ports": [{"port": "health", "protocol": "TCP"}], "from": [scraper]},
        {"ports": [{"port": "http", "protocol": "TCP"}], "from": [client]},
    ]


def test_scheduling_wishes_and_further_objects_arrive() -> None:
    documents = render(
        {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "priorityClassName": "system-cluster-critical",
            "imagePullSecrets": ["registry"],
            "podLabels": {"team": "platform"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "extraObjects": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-a"}},
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}",
            ],
        }
    )
    pod = deployment(documents)["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "platform"
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["spec"]["tolerations"] == [{"key": "spot", "operator": "Exists"}]
    assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert plain_env(documents)["HTTPS_PROXY"] == "http://proxy:3128"
    assert {c["metadata"]["name"] for c in of_kind(documents, "ConfigMap")} == {"integration-hub-a", "b"}


def test_a_release_of_another_name_is_told_apart() -> None:
    documents = render(release="blue", namespace="blue")
    names = {d["metadata"]["name"] for d in documents if d["kind"] != "CustomResourceDefinition"}
    assert {name for name in names if not name.startswith("blue-integration-hub")} == {
        "integration-hub-tenant",
        "integration-hub-heal-consent",
        "enterprise-hub",
    }


def test_the_kustomize_base_equals_the_rendered_chart(defaults: list[Document]) -> None:
    base = hub_chart.ROOT / "manifests" / "base"
    files = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    documents = [part for name in files for part in yaml.safe_load_all((base / name).read_text()) if part]
    own = of_kind(documents, "Namespace")
    assert [document["metadata"]["name"] for document in own] == ["integration-hub"]

    def identity(document: Document) -> tuple[str, str]:
        return document["kind"], document["metadata"]["name"]

    assert sorted((d for d in documents if d not in own), key=identity) == sorted(defaults, key=identity)
