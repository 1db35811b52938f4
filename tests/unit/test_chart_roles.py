"""The gateway, the store and what watches them, in the chart: who reaches what; where secrets come from."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

import hub_chart
from hub_chart import Document, container, deployment, named, of_kind, of_secrets, plain_env, render
from integration_hub.api.integration import CircuitBreaker, Retry
from integration_hub.api.reasons import Reason
from integration_hub.handlers.feed import FeedState
from integration_hub.metrics import Metrics
from integration_hub.runtime.queue import QueueStats
from integration_hub.runtime_metrics import RuntimeCollector
from integration_hub.settings import Settings
from product_stage import FIGURES

POSTGRESQL = {"type": "postgresql", "postgresql": {"existingSecret": "hub-store"}}
SPLIT = {"split": True, "replicas": 2, "store": POSTGRESQL}
FILES = hub_chart.CHART / "files"


@pytest.fixture(scope="module")
def defaults() -> list[Document]:
    return render()


@pytest.mark.req("HUB-10")
def test_products_find_the_gateway_at_enterprise_hub_port_8000(defaults: list[Document]) -> None:
    service = named(defaults, "Service", "enterprise-hub")
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(8000, "http")]
    pod = deployment(defaults)["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {"name": "http", "containerPort": 8000, "protocol": "TCP"} in container(defaults)["ports"]
    assert plain_env(defaults)["INTEGRATION_HUB_GATEWAY_PORT"] == "8000"


def test_a_hub_without_the_gateways_role_has_nothing_of_it() -> None:
    documents = render({"roles": ["operator"]})
    assert [each["metadata"]["name"] for each in of_kind(documents, "Service")] == ["integration-hub-metrics"]
    assert [port["name"] for port in container(documents)["ports"]] == ["health"]
    assert not of_kind(documents, "Pod", "Ingress", "HTTPRoute")


@pytest.mark.req("SEC-05", "SEC-06", "ENV-01", "ENV-02", "ENV-04")
def test_secrets_come_from_secrets_and_from_nowhere_else() -> None:
    documents = render(
        {
            **SPLIT,
            "cache": {"existingSecret": "hub-redis"},
            "auth": {"staticKeys": {"existingSecret": "hub-callers"}},
            "oauth": {
                "clients": {
                    "slack": {"existingSecret": "slack-oauth"},
                    "google-drive": {"existingSecret": "google", "idKey": "id", "secretKey": "secret"},
                }
            },
        }
    )
    expected = {
        "INTEGRATION_HUB_TOKEN_ENCRYPTION_KEY": ("integration-hub-encryption", "TOKEN_ENCRYPTION_KEY"),
        "INTEGRATION_HUB_TOKEN_ENCRYPTION_OLD_KEYS": (
            "integration-hub-encryption",
            "TOKEN_ENCRYPTION_OLD_KEYS",
        ),
        "INTEGRATION_HUB_STORE_URL": ("hub-store", "url"),
        "INTEGRATION_HUB_REDIS_URL": ("hub-redis", "url"),
        "INTEGRATION_HUB_STATIC_KEYS": ("hub-callers", "keys"),
        "SLACK_CLIENT_ID": ("slack-oauth", "clientId"),
        "SLACK_CLIENT_SECRET": ("slack-oauth", "clientSecret"),
        "GOOGLE_DRIVE_CLIENT_ID": ("google", "id"),
        "GOOGLE_DRIVE_CLIENT_SECRET": ("google", "secret"),
    }
    for name in ("integration-hub-operator", "integration-hub-gateway"):
        assert of_secrets(documents, name) == expected
        assert container(documents, name)["args"] == ["run", "--roles", name.rsplit("-", 1)[1]]
    assert not of_kind(documents, "Secret")


def test_what_the_settings_keep_secret_is_never_a_plain_variable(defaults: list[Document]) -> None:
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    values = {**SPLIT, "cache": {"redisUrl": "redis://redis:6379"}}
    for documents, name in ((defaults, ""), (render(values), "integration-hub-gateway")):
        variables = plain_env(documents, name).keys() - of_secrets(documents, name).keys()
        plain = {variable.removeprefix("INTEGRATION_HUB_").lower() for variable in variables}
        assert plain & secret <= {"redis_url"}  # the schema takes it without a password only


@pytest.mark.req("SEC-05")
def test_two_renders_are_one(defaults: list[Document]) -> None:
    """GitOps renders over and over: what a template made up would be another key each time."""
    assert render() == defaults


def test_without_encryption_no_key_is_asked_for() -> None:
    documents = render({"encryption": {"mode": "none"}})
    assert of_secrets(documents) == {}
    assert plain_env(documents)["INTEGRATION_HUB_ENCRYPTION_MODE"] == "none"


@pytest.mark.parametrize(
    ("persistence", "volume", "claims"),
    [
        ({}, {"persistentVolumeClaim": {"claimName": "integration-hub-data"}}, ["integration-hub-data"]),
        ({"existingClaim": "mine"}, {"persistentVolumeClaim": {"claimName": "mine"}}, []),
        ({"enabled": False}, {"emptyDir": {"sizeLimit": "2Gi"}}, []),
    ],
    ids=["a claim of the chart's", "a claim of yours", "none"],
)
def test_where_the_embedded_store_lies(
    persistence: dict[str, Any], volume: dict[str, Any], claims: list[str]
) -> None:
    documents = render({"store": {"sqlite": {"persistence": persistence}}})
    volumes = {each["name"]: each for each in deployment(documents)["spec"]["template"]["spec"]["volumes"]}
    assert volumes["data"] == {"name": "data", **volume}
    made = of_kind(documents, "PersistentVolumeClaim")
    assert [claim["metadata"]["name"] for claim in made] == claims
    mounts = {each["name"]: each["mountPath"] for each in container(documents)["volumeMounts"]}
    assert plain_env(documents)["INTEGRATION_HUB_DATA_DIR"] == mounts["data"]


def test_a_deployment_for_each_role_over_one_store() -> None:
    documents = render({**SPLIT, "gateway": {"replicas": 3}})
    counts = {d["metadata"]["name"]: d["spec"]["replicas"] for d in of_kind(documents, "Deployment")}
    assert counts == {"integration-hub-operator": 2, "integration-hub-gateway": 3}
    budgets = of_kind(documents, "PodDisruptionBudget")
    assert {budget["metadata"]["name"] for budget in budgets} == counts.keys()
    service = named(documents, "Service", "enterprise-hub")
    for name in counts:
        selector = deployment(documents, name)["spec"]["selector"]["matchLabels"]
        pod = deployment(documents, name)["spec"]["template"]
        assert (service["spec"]["selector"] == selector) is (name == "integration-hub-gateway")
        assert "data" not in {volume["name"] for volume in pod["spec"]["volumes"]}
        assert deployment(documents, name)["spec"]["strategy"]["type"] == "RollingUpdate"
    assert not of_kind(documents, "PersistentVolumeClaim")


def test_an_autoscaler_is_the_only_one_who_counts_gateways() -> None:
    documents = render({**SPLIT, "gateway": {"autoscaling": {"enabled": True, "maxReplicas": 5}}})
    gateway = deployment(documents, "integration-hub-gateway")
    assert "replicas" not in gateway["spec"]
    (scaler,) = of_kind(documents, "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == gateway["metadata"]["name"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    assert container(documents, "integration-hub-gateway")["resources"]["requests"]["cpu"]


def test_nothing_is_published_unless_it_is_asked_for(defaults: list[Document]) -> None:
    assert not of_kind(defaults, "Ingress", "HTTPRoute")
    assert named(defaults, "Service", "enterprise-hub")["spec"]["type"] == "ClusterIP"


def test_an_ingress_publishes_the_public_paths_and_the_api_only_by_another() -> None:
    ingress = {"enabled": True, "className": "nginx", "host": "hub.example.com", "tlsSecretName": "hub-tls"}
    documents = render({"gateway": {"ingress": ingress}})
    (public,) = of_kind(documents, "Ingress")
    (rule,) = public["spec"]["rules"]
    assert rule["host"] == "hub.example.com"
    assert [path["path"] for path in rule["http"]["paths"]] == ["/hooks", "/webhooks", "/oauth", "/connect"]
    assert public["spec"]["tls"] == [{"hosts": ["hub.example.com"], "secretName": "hub-tls"}]
    assert plain_env(documents)["INTEGRATION_HUB_PUBLIC_URL"] == "https://hub.example.com"
    api = {"enabled": True, "host": "hub.internal"}
    both = render({"gateway": {"ingress": {**ingress, "api": api}}})
    (rule,) = named(both, "Ingress", "integration-hub-api")["spec"]["rules"]
    assert (rule["host"], [path["path"] for path in rule["http"]["paths"]]) == ("hub.internal", ["/"])


def test_an_http_route_publishes_the_same() -> None:
    route = {"enabled": True, "parentRefs": [{"name": "outside"}], "hostnames": ["hub.example.com"]}
    api = {"enabled": True, "parentRefs": [{"name": "inside"}], "hostnames": ["hub.internal"]}
    documents = render({"gateway": {"httpRoute": {**route, "api": api}}})
    published = {
        each["metadata"]["name"]: (
            each["spec"]["parentRefs"][0]["name"],
            [match["path"]["value"] for match in each["spec"]["rules"][0]["matches"]],
            each["spec"]["rules"][0]["backendRefs"],
        )
        for each in of_kind(documents, "HTTPRoute")
    }
    backend = [{"name": "enterprise-hub", "port": 8000}]
    assert published == {
        "integration-hub-public": ("outside", ["/hooks", "/webhooks", "/oauth", "/connect"], backend),
        "integration-hub-api": ("inside", ["/"], backend),
    }
    assert plain_env(documents)["INTEGRATION_HUB_PUBLIC_URL"] == "https://hub.example.com"


@pytest.mark.req("SEC-22", "PERF-06", "ENV-03")
def test_values_of_the_gateway_reach_the_program_as_it_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = render(
        {
            "gateway": {
                "publicUrl": "https://hub.example.com/in",
                "allowedCidrs": ["10.0.0.0/8", "2001:db8::/32"],
                "trustedProxies": ["10.1.0.0/16"],
                "rateLimit": {"requestsPerSecond": 2.5, "burst": 7},
                "body": {"maxBytes": 2_000_000, "maxStreamBytes": 20_000_000_000},
            },
            "auth": {
                "passport": {"issuer": "https://passport.example.com", "audience": "hub"},
                "kubernetes": {"issuer": "https://issuer.example.com", "jwksUrl": "https://keys.example.com"},
            },
            "http": {"pool": {"maxConnections": 250, "keepaliveSeconds": 5}},
            "store": {"retention": {"requestLogRows": 20_000_000, "auditDays": 30}},
        }
    )
    for name, value in plain_env(documents).items():
        monkeypatch.setenv(name, value or "")
    settings = Settings()
    assert settings.public_url == "https://hub.example.com/in"
    assert settings.gateway_allowed_cidrs == ("10.0.0.0/8", "2001:db8::/32")
    assert settings.gateway_trusted_proxies == ("10.1.0.0/16",)
    assert (settings.caller_requests_per_second, settings.caller_burst) == (2.5, 7)
    assert (settings.gateway_max_body_bytes, settings.gateway_max_stream_bytes) == (2_000_000, 20_000_000_000)
    assert (settings.oidc_issuer, settings.oidc_audience) == ("https://passport.example.com", "hub")
    assert settings.kubernetes_issuer == "https://issuer.example.com"
    assert settings.kubernetes_jwks_url == "https://keys.example.com"
    assert (settings.egress_connections, settings.egress_keepalive_seconds) == (250, 5)
    assert (settings.request_log_rows, settings.audit_days) == (20_000_000, 30)


def test_the_charts_defaults_are_the_programs_own(
    defaults: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the program without the chart gets the same."""
    differing = {"namespace", "service_account", "data_dir", "pod_ips"}
    for name, value in plain_env(defaults).items():
        monkeypatch.setenv(name, value or "")
    told = Settings().model_dump(exclude={*differing, "identity"})
    for name in plain_env(defaults):
        monkeypatch.delenv(name)
    assert told == Settings().model_dump(exclude={*differing, "identity"})


def test_an_installers_resilience_becomes_the_api_servers_defaults(defaults: list[Document]) -> None:
    values = yaml.safe_load((hub_chart.CHART / "values.yaml").read_text())["resilience"]
    spec = CircuitBreaker().model_dump(by_alias=True), Retry().model_dump(by_alias=True)
    assert values["breaker"] == spec[0]
    assert values["retry"] == {name: value for name, value in spec[1].items() if name != "enabled"}
    changed: dict[str, dict[str, float]] = {
        "breaker": {"failureThreshold": 10, "successThreshold": 4, "openSeconds": 120},
        "retry": {
            "maxRetries": 0,
            "baseDelayMilliseconds": 50,
            "maxDelayMilliseconds": 60_000,
            "backoffMultiplier": 1.5,
        },
    }
    before, after = _integration(defaults), _integration(render({"resilience": changed}))
    for block, wanted in (("circuitBreaker", changed["breaker"]), ("retry", changed["retry"])):
        fields = after[block]["properties"]
        assert {name: fields[name].pop("default") for name in wanted} == wanted
        for name in wanted:
            del before[block]["properties"][name]["default"]
    assert after == before


def _integration(documents: list[Document]) -> Any:
    definition = named(documents, "CustomResourceDefinition", "integrations.integrationhub.io")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]["properties"]


# --------------------------------------------------------------------------- alerts and dashboard


def test_a_pod_of_the_release_can_be_asked_by_helm_test(defaults: list[Document]) -> None:
    (pod,) = of_kind(defaults, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (checked,) = pod["spec"]["containers"]
    assert checked["args"] == ["check", "http://enterprise-hub.integration-hub.svc:8000"]
    for service in of_kind(defaults, "Service"):
        assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.req("OBS-09", "PERF-10")
def test_alerts_ask_for_metrics_and_reasons_that_there_are() -> None:
    (rule,) = of_kind(render(_monitored("prometheusRule")), "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    for alert in group["rules"]:
        assert alert["labels"]["severity"] in {"warning", "critical"}, alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description"}, alert["alert"]
        _check(alert["expr"])
        told = re.findall(r"\$labels\.(\w+)", str(alert["annotations"]))
        assert set(told) <= {"namespace", "name", "pod"}, alert["alert"]
    watched = {
        *("IntegrationReauthRequired", "IntegrationCircuitOpen", "IntegrationRotationDue"),
        *("IntegrationAnomalous", "IntegrationHubAuthenticationFailures", "IntegrationNotReady"),
    }
    assert watched <= {alert["alert"] for alert in group["rules"]}


def test_an_alert_can_be_left_out() -> None:
    without = {"without": ["ProductUnhealthy"]}
    (rule,) = of_kind(render(_monitored("prometheusRule", **without)), "PrometheusRule")
    names = {alert["alert"] for alert in rule["spec"]["groups"][0]["rules"]}
    assert names == {alert["alert"] for alert in _alerts()} - {"ProductUnhealthy"}


@pytest.mark.req("PERF-11")
def test_the_dashboard_shows_metrics_that_there_are() -> None:
    documents = render({"metrics": {"dashboard": {"enabled": True}}})
    shown = named(documents, "ConfigMap", "integration-hub-dashboard")
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(shown["data"]["integration-hub.json"])
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    for panel in panels:
        assert panel["description"], panel["title"]
        for target in panel["targets"]:
            _check(target["expr"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]}
    assert len(places) == len(dashboard["panels"])


def test_labels_of_the_metrics_survive_the_scrape() -> None:
    """Prometheus would otherwise put the pod's namespace in place of the Integration's."""
    (monitor,) = of_kind(render(_monitored("serviceMonitor")), "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0]["honorLabels"]


def _monitored(what: str, **more: Any) -> dict[str, Any]:
    return {"metrics": {what: {"enabled": True, "renderMode": "alwaysRender", **more}}}


def _alerts() -> Any:
    return yaml.safe_load((FILES / "alerts.yaml").read_text())


def _check(expression: str) -> None:
    """Metrics, their labels and the reasons in them exist; brackets are closed."""
    known = _labels_by_sample()
    for name, matchers in re.findall(r"(integration_hub_\w+)(?:\{([^}]*)\})?", expression):
        assert name in known, name
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in known[name], (name, label)
            if label == "reason":
                assert set(value.split("|")) <= {reason.value for reason in Reason}, value
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing), expression


def _labels_by_sample() -> dict[str, set[str]]:
    """Every sample's name with its labels, as one of each is exported."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    registry.register(
        RuntimeCollector(
            queue=lambda: QueueStats(0, 0, 0, 0, 0.0, 0, 0),
            feed=lambda: FeedState(True, True, 0.0, 0.0, 0, 0, None, ""),
            objects=lambda: {"Integration": 1},
            cache_lag=lambda: 0.0,
            loop_lag=lambda: 0.0,
        )
    )
    metrics.set_ready("n", "a", "True")
    metrics.set_troubles("n", "a", {"CircuitOpen"})
    metrics.set_product("n", "a", FIGURES)
    metrics.observe_probe("Integration", "slack", "Connected", 1)
    metrics.observe_reconcile("Integration", "done", 1)
    metrics.observe_status("Integration", "written")
    metrics.observe_request("kubernetes", "/", "GET", 200, 1)
    metrics.count_refusal("rate")
    metrics.count_heal("restart", "succeeded")
    return {sample.name: set(sample.labels) for family in registry.collect() for sample in family.samples}
