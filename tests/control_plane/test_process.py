"""The program as a process: how it begins, ends, tells of itself, and shares the work with a second one.

On a control plane of its own, since only one hub at a time may work for all namespaces, and since some of
these tests take the API server away.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import hub_chart
from audit import AuditTrail
from caller import ApiCaller
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Corner, FarEnd, Reply
from hub_process import KEY, HubProcess, running_hub
from tenant import Tenant
from valkey_server import valkey

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("process")]

ENDS_WITHIN_SECONDS = 10.0
TAKEOVER_SECONDS = 20.0
HUB = "hub"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane.start(audit=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def kubeconfig(plane: ControlPlane) -> Path:
    return hub_chart.install_rights(plane, HUB)


@pytest.fixture
def settings(plane: ControlPlane, kubeconfig: Path, outside: FarEnd) -> dict[str, str]:
    """Of a hub that is the first: what an earlier one left of its Lease is taken away."""
    assert kubeconfig.exists()
    plane.kubectl("delete", "lease", "integration-hub", "-n", HUB, "--ignore-not-found")
    return {
        "namespace": HUB,
        "service_account": "hub-integration-hub",
        "egress_allow": f"127.0.0.1/32:{outside.port}",
    }


@pytest.fixture
def customer(plane: ControlPlane, request: pytest.FixtureRequest, corner: Corner) -> Iterator[Tenant]:
    """A tenant on this module's own control plane."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[5:55].strip("-")
    plane.create_namespace(name)
    hub_chart.serve(plane, name, hub=HUB)
    made = Tenant(plane, name, corner)
    yield made
    plane.kubectl("delete", "integrations,productregistrations", "--all", "-n", name, "--wait=false")
    plane.kubectl("delete", "ciprov", made.provider_name, "--ignore-not-found", "--wait=false")
    plane.delete_namespace(name)


@pytest.fixture
def redis_url() -> Iterator[str]:
    with TemporaryDirectory(prefix="vk") as folder, valkey(Path(folder)) as server:
        yield server.url


def lease(plane: ControlPlane) -> dict[str, Any]:
    answer = plane.kubectl("get", "lease", "integration-hub", "-n", HUB, "-o", "json").stdout
    spec: dict[str, Any] = json.loads(answer)["spec"]
    return spec


def many(customer: Tenant, count: int, **changes: Any) -> list[str]:
    """So many Integrations, all different."""
    names = [f"chat-{number}" for number in range(count)]
    spec = {
        "providerRef": {"name": customer.provider_name},
        "config": {"channel": "general"},
        "credentials": {"secretRef": {"name": "token"}},
        **changes,
    }
    customer.apply(
        *(
            {
                "apiVersion": "integrationhub.io/v1alpha1",
                "kind": "Integration",
                "metadata": {"name": name, "namespace": customer.namespace},
                "spec": {**spec, "instance": name},
            }
            for name in names
        )
    )
    return names


def verdicts(customer: Tenant) -> list[str]:
    path = "{.items[*].status.conditions[?(@.type=='Ready')].reason}"
    listed = customer.plane.kubectl("get", "integrations", "-n", customer.namespace, "-o", f"jsonpath={path}")
    return listed.stdout.split()


# --------------------------------------------------------------------------- how it ends


@pytest.mark.req("PLT-01")
def test_told_to_end_it_ends_and_gives_its_lease_back(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        assert lease(plane)["holderIdentity"]
        assert hub.terminate(ENDS_WITHIN_SECONDS) == 0
    assert lease(plane).get("holderIdentity", "") == ""
    said = [entry["event"] for entry in hub.entries()]
    assert said[-1] == "The hub ended"
    assert not [entry for entry in hub.entries() if entry["level"] in ("error", "critical")]


def test_it_ends_in_time_in_the_middle_of_much_work_and_of_calls_that_hang(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    customer.corner.behave = lambda _: Reply(seconds=60)
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        customer.provider()
        customer.secret(token="right")
        many(customer, 150, timeoutSeconds=120)
        eventually(lambda: len(customer.corner.asked) > 5, "calls are under way")
        assert hub.terminate(ENDS_WITHIN_SECONDS) == 0
    assert lease(plane).get("holderIdentity", "") == ""


def test_it_ends_in_time_although_the_api_server_hangs_and_says_that_it_is_ending(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        customer.provider()
        customer.secret(token="right")
        many(customer, 30)
        plane.pause("kube-apiserver")
        try:
            hub.process.send_signal(signal.SIGTERM)
            eventually(lambda: hub.page("/readyz")[0] == 503, "not ready any more", seconds=5)
            assert hub.page("/healthz")[0] == 200
            assert hub.process.wait(ENDS_WITHIN_SECONDS) == 0
        finally:
            plane.resume("kube-apiserver")
    plane.wait_ready()


# --------------------------------------------------------------------------- what it tells of itself


def checks(hub: HubProcess, page: str = "/readyz") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(hub.page(page)[1])["checks"]
    return told


def test_it_is_alive_but_not_ready_before_it_knows_the_cluster(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    plane.pause("kube-apiserver")
    try:
        with running_hub(tmp_path, kubeconfig, settings, ready=False) as hub:
            assert hub.page("/healthz")[0] == 200
            status, _ = hub.page("/readyz")
            assert status == 503
            assert checks(hub)["cache"]["detail"] == "not yet compared with a whole list of the API server"
            assert hub.metric("integration_hub_leader") == 0
            plane.resume("kube-apiserver")
            eventually(lambda: hub.page("/readyz")[0] == 200, "ready", seconds=60)
    finally:
        plane.resume("kube-apiserver")
        plane.wait_ready()


def test_without_an_api_server_it_stays_alive_and_says_how_old_its_knowledge_is(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        customer.connected()
        assert checks(hub)["feed"]["lastKnownGoodAgeSeconds"] == 0
        plane.kill("kube-apiserver")
        try:
            eventually(lambda: not checks(hub)["feed"]["alive"], "the loss is noticed")
            first = checks(hub)["feed"]["lastKnownGoodAgeSeconds"]
            asked = len(customer.corner.asked)
            eventually(
                lambda: checks(hub)["feed"]["lastKnownGoodAgeSeconds"] >= first + 5,
                "the age is told",
                seconds=20,
            )
            assert hub.page("/healthz")[0] == 200
            assert hub.page("/readyz")[0] == 200
            eventually(lambda: hub.metric("integration_hub_leader") == 0, "nobody leads without a Lease")
            assert len(customer.corner.asked) <= asked + 3
        finally:
            plane.start_component("kube-apiserver")
            plane.wait_ready()
        eventually(lambda: bool(checks(hub)["feed"]["alive"]), "the feed is back", seconds=60)
        eventually(lambda: hub.metric("integration_hub_leader") == 1, "it leads again", seconds=30)
        customer.corner.always(401)
        customer.becomes("False", "InvalidCredentials", seconds=60)


# --------------------------------------------------------------------------- two of them


def test_a_second_one_takes_over_within_20_seconds_when_the_leader_is_killed(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    with (
        running_hub(tmp_path / "a", kubeconfig, {**settings, "identity": "first"}) as first,
        running_hub(tmp_path / "b", kubeconfig, {**settings, "identity": "second"}, leads=False) as second,
    ):
        customer.connected()
        assert second.metric("integration_hub_leader") == 0
        assert second.page("/readyz")[0] == 200, "a follower is as ready as the leader"
        name = {"namespace": customer.namespace, "name": "chat"}
        assert first.metric("integration_hub_integration_ready_status", **name) == 1
        assert second.metric("integration_hub_integration_ready_status", **name) is None
        first.kill()
        customer.corner.always(401)
        eventually(
            lambda: second.metric("integration_hub_leader") == 1, "the second leads", seconds=TAKEOVER_SECONDS
        )
        customer.becomes("False", "InvalidCredentials", seconds=60)
        assert lease(plane)["leaseTransitions"] == 2


def test_a_leader_that_slept_past_its_lease_writes_nothing_when_it_wakes(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    with (
        running_hub(tmp_path / "a", kubeconfig, {**settings, "identity": "sleeper"}) as sleeper,
        running_hub(tmp_path / "b", kubeconfig, {**settings, "identity": "waker"}, leads=False) as waker,
    ):
        customer.provider()
        customer.secret(token="right")
        customer.corner.behave = lambda _: Reply(seconds=0.2)
        many(customer, 40)  # so that it falls asleep in the middle of writing
        eventually(lambda: "Succeeded" in verdicts(customer), "it is at work")
        sleeper.process.send_signal(signal.SIGSTOP)
        eventually(
            lambda: waker.metric("integration_hub_leader") == 1, "the other leads", seconds=TAKEOVER_SECONDS
        )
        eventually(
            lambda: verdicts(customer) == ["Succeeded"] * 40, "its work is done by the other", seconds=60
        )
        customer.corner.always(401)  # much to write for whoever thinks that he leads
        woken = AuditTrail(plane)
        sleeper.process.send_signal(signal.SIGCONT)
        eventually(lambda: sleeper.metric("integration_hub_leader") == 0, "the sleeper knows")
        eventually(lambda: set(verdicts(customer)) == {"InvalidCredentials"}, "news arrive", seconds=60)
        assert [str(each) for each in woken.writes("(sleeper)", leases=True)] == []
        assert len(woken.writes("(waker)")) >= 40
        assert lease(plane)["holderIdentity"] == "waker"


def test_a_restart_writes_nothing_about_what_is_settled(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    with running_hub(tmp_path / "a", kubeconfig, settings):
        customer.provider()
        customer.secret(token="right")
        many(customer, 25)
        customer.integration("refused", credentials={"secretRef": {"name": "nowhere"}}, instance="refused")
        customer.integration("switched-off", enabled=False, instance="off")
        customer.apply(product(customer))
        customer.becomes("False", "SecretNotFound", name="refused")
        customer.becomes("False", "Paused", name="switched-off")
        eventually(lambda: verdicts(customer).count("Succeeded") == 25, "all is settled", seconds=60)
        eventually(lambda: "healthy" in health(customer), "the product too")
        catalogue = f"ciprov/{customer.provider_name}"
        plane.kubectl("wait", catalogue, "--for=jsonpath={.status.integrationCount}=27", "--timeout=60s")
    trail = AuditTrail(plane)
    with running_hub(tmp_path / "b", kubeconfig, {**settings, "identity": "restarted"}) as hub:
        looked = {"kind": "Integration"}
        eventually(
            lambda: sum_of(hub, "integration_hub_reconcile_total", **looked) >= 27, "all are looked at again"
        )
        asked = len(customer.corner.asked)
        eventually(lambda: len(customer.corner.asked) >= asked + 25, "all are probed again", seconds=30)
        assert [str(each) for each in trail.writes("(restarted)")] == []
        assert len(trail.writes("(restarted)", leases=True)) >= 1


def product(customer: Tenant) -> dict[str, Any]:
    return {
        "apiVersion": "integrationhub.io/v1alpha1",
        "kind": "ProductRegistration",
        "metadata": {"name": "flow", "namespace": customer.namespace},
        "spec": {
            "productId": "flow",
            "productName": "Flow",
            "version": "1.0.0",
            "apiEndpoint": customer.corner.url,
            "healthIntervalSeconds": 5,
        },
    }


def health(customer: Tenant) -> str:
    told = customer.get("flow", "productregistration").get("status", {}).get("health", {}).get("status", "")
    return str(told)


def sum_of(hub: HubProcess, name: str, **labels: str) -> float:
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in hub.page("/metrics")[1].splitlines() if line.startswith(name + "{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(each in line for each in wanted))


# --------------------------------------------------------------------------- what it never tells

CANARY = "c4nary+s3cret/value=0123456789"
IN_BASE64 = "cm9ib3Q6YzRuYXJ5"
"""How `robot:c4nary…` begins in a header of Basic."""


def echo(asked: Asked) -> Reply:
    """A server that shows the whole request on its error pages, in headers and in redirects."""
    page = {"path": asked.path, "headers": dict(asked.headers), "error": json.dumps(dict(asked.headers))}
    credentials = asked.headers.get("authorization", "") + asked.headers.get("x-key", "")
    named = {"WWW-Authenticate": f'Bearer error="{credentials}"', "Location": f"http://x.invalid{asked.path}"}
    status = int(asked.path.split("/")[1][:3])
    return Reply(status, page, named)


QUOTING = [
    {
        "when": "status == 418",
        "result": "config",
        "message": "{{ body.error }} {{ headers['www-authenticate'] }} {{ body.path }}",
    },
    {"when": "status == 409", "result": "revoked", "message": "x" * 400 + "{{ text }}"},
]
MODES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "bearer": ({"type": "BEARER"}, {"token": CANARY}),
    "basic": ({"type": "BASIC"}, {"username": "robot", "password": CANARY}),
    "query": ({"type": "API_KEY", "apiKey": {"in": "query", "name": "key"}}, {"apiKey": CANARY}),
    "header": ({"type": "API_KEY", "apiKey": {"name": "X-Key"}}, {"apiKey": CANARY}),
}


@pytest.mark.req("PLT-05", "PLT-06", "PLT-04")
def test_no_secret_is_ever_told_whatever_fails_and_every_line_of_the_log_is_json(
    plane: ControlPlane, kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    customer.corner.behave = echo
    with running_hub(tmp_path, kubeconfig, {**settings, "log_level": "debug"}) as hub:
        fail_in_every_way(customer)
        eventually(lambda: len(verdicts(customer)) == 4 * 9 + 3, "all are judged", seconds=60)
        eventually(
            lambda: "Unknown" not in ready(customer) and len(customer.corner.asked) > 60, "again", seconds=150
        )
        page = hub.page("/metrics")[1]
    shown = {
        "log": hub.log.read_text(),
        "metrics": page,
        "events": plane.kubectl("get", "events", "-A", "-o", "json").stdout,
        "statuses": json.dumps([each.get("status") for each in listed(customer)]),
    }
    assert len(shown["log"]) > 10_000
    for place, text in shown.items():
        for secret in (CANARY, CANARY[:14], "c4nary%2Bs3cret", "s3cret/value", IN_BASE64):
            at = text.find(secret)
            assert at < 0, f"{place}: …{text[max(0, at - 300) : at + 60]}…"
    reasons = set(verdicts(customer))
    assert {
        "InvalidCredentials",
        "ConfigRefused",
        "RateLimited",
        "UpstreamError",
        "ReauthRequired",
    } <= reasons
    assert {"UnexpectedAnswer", "SecretInConfig", "SecretKeyInvalid", "SecretKeyMissing"} <= reasons
    for line in hub.log.read_text().splitlines():
        entry = json.loads(line)
        assert {"time", "level", "logger", "event"} <= entry.keys(), line


def fail_in_every_way(customer: Tenant) -> None:
    """Every mode against every kind of answer, and Secrets and configs that cannot be used."""
    for mode, (declared, data) in MODES.items():
        customer.secret(mode, **data)
        customer.provider_name = f"{mode}-{customer.namespace[:30]}"
        customer.provider(authModes=[declared], classes=QUOTING)
        for status in (302, 400, 401, 403, 404, 409, 418, 429, 500):
            customer.integration(
                f"{mode}-{status}",
                instance=f"s{status}",
                credentials={"secretRef": {"name": mode}},
                healthCheck={"path": f"/{status}/{mode}", "intervalSeconds": 5},
            )
    customer.secret("broken", apiKey=f"{CANARY}\nsecond line")
    customer.secret("other-key", aipKey=CANARY)
    for secret in ("broken", "other-key"):
        customer.integration(f"with-{secret}", instance=secret, credentials={"secretRef": {"name": secret}})
    customer.integration("in-config", instance="config", config={"channel": "c", "apiToken": CANARY})
    customer.apply(
        {
            **product(customer),
            "spec": {
                **product(customer)["spec"],
                "healthEndpoint": f"{customer.corner.url}/500/flow?key={CANARY}",
            },
        }
    )


def listed(customer: Tenant) -> list[dict[str, Any]]:
    kinds = "integrations,productregistrations"
    answer = customer.plane.kubectl("get", kinds, "-n", customer.namespace, "-o", "json").stdout
    found: list[dict[str, Any]] = json.loads(answer)["items"]
    return found


def ready(customer: Tenant) -> list[str]:
    return [
        condition["status"]
        for each in listed(customer)
        for condition in each["status"]["conditions"]
        if condition["type"] == "Ready"
    ]


# --------------------------------------------------------------------------- what is measured


def test_every_documented_figure_is_there_and_no_other(
    kubeconfig: Path, settings: dict[str, str], tmp_path: Path, customer: Tenant
) -> None:
    text = (hub_chart.ROOT / "docs" / "guides" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(integration_hub_[a-z_]+)` \|", text, re.MULTILINE))
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        customer.connected()
        customer.apply(product(customer))
        eventually(lambda: health(customer) == "healthy", "the product is healthy")
        time.sleep(1)
        page = hub.page("/metrics")[1]
        typed = dict(re.findall(r"^# TYPE (integration_hub_[a-z_]+) (\w+)$", page, re.MULTILINE))
        assert {name for name in typed if not name.endswith("_created")} == documented
        name = {"namespace": customer.namespace, "name": "chat"}
        assert hub.metric("integration_hub_integration_ready_status", **name) == 1
        assert hub.metric("integration_hub_product_health", **{**name, "name": "flow"}) == 1
        probe = {"kind": "Integration", "provider": customer.provider_name, "outcome": "Connected"}
        assert sum_of(hub, "integration_hub_probe_total", **probe) >= 1
        assert sum_of(hub, "integration_hub_status_writes_total", outcome="Written") >= 2
        assert hub.metric("process_resident_memory_bytes")


# --------------------------------------------------------------------------- as whom it runs


@pytest.mark.req("SEC-07", "PLT-01")
def test_it_runs_as_its_own_service_account_and_that_is_no_administrator(
    plane: ControlPlane, kubeconfig: Path
) -> None:
    who = plane.kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", as_kubeconfig=kubeconfig
    )
    assert who.stdout.startswith(f"system:serviceaccount:{HUB}:")
    for question in (
        ("*", "*"),
        ("*", "*", "-n", HUB),
        ("get", "secrets", "-A"),
        ("create", "clusterrolebindings"),
    ):
        asked = plane.kubectl("auth", "can-i", *question, as_kubeconfig=kubeconfig, check=False)
        assert asked.stdout.strip() == "no", question


@pytest.mark.req("SEC-05", "SEC-27", "ERR-07", "ENV-01", "INT-05")
@pytest.mark.req("HUB-16", part="token storage")
def test_a_changed_key_opens_what_the_old_one_sealed_and_a_lost_one_is_told_apart(
    tmp_path: Path, kubeconfig: Path, settings: dict[str, str], customer: Tenant
) -> None:
    customer.corner.behave = lambda asked: (
        Reply(200, {}) if asked.headers.get("authorization") == "Bearer canary-key" else Reply(401, {})
    )
    customer.provider()
    new_key, lost_key = "7c20" * 15 + "1e5f", "11d7" * 15 + "a902"
    with running_hub(tmp_path / "a", kubeconfig, settings) as hub:
        caller = ApiCaller(customer.plane, hub.api, customer.namespace, "editor").given("edit")
        body = {"providerId": customer.provider_name, "name": "chat", "config": {"channel": "general"}}
        made = caller.ask("POST", "/api/v1/integrations", body | {"apiKey": "canary-key"})
        assert made.status == 201, made.body
        customer.becomes("True", "Succeeded")
    kept = customer.get("intg-chat-hub", "secret")["data"]
    with running_hub(
        tmp_path / "b",
        kubeconfig,
        settings | {"token_encryption_key": new_key, "token_encryption_old_keys": KEY, "identity": "b"},
    ) as hub:
        caller.api = hub.api
        answer = caller.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/x"})
        assert answer.status == 200, answer.body
        eventually(lambda: customer.get("intg-chat-hub", "secret")["data"] != kept, "sealed anew", seconds=30)
    changed = settings | {"token_encryption_key": lost_key, "identity": "c"}
    with running_hub(tmp_path / "c", kubeconfig, changed) as hub:
        caller.api = hub.api
        customer.becomes("False", "EncryptionError", seconds=60)
        answer = caller.ask("POST", "/api/integration-hub/chat/execute", {"endpoint": "/x"})
        assert (answer.status, answer.json["code"]) == (500, "ENCRYPTION_ERROR")


@pytest.mark.req("PERF-04", "PERF-03", "WDG-02", "ENV-02")
@pytest.mark.req("HUB-16", part="cache in Redis")
def test_answers_kept_in_redis_outlive_the_process(
    tmp_path: Path, kubeconfig: Path, settings: dict[str, str], customer: Tenant, redis_url: str
) -> None:
    customer.provider(widgets=[{"id": "w", "title": "W", "path": "/w", "ttlSeconds": 3600}])
    customer.secret(token="right")
    customer.integration()
    path = f"/workspaces/{customer.namespace}/integrations/chat/widgets/w/data"
    cached = []
    caller: ApiCaller | None = None
    for identity in ("a", "b"):
        given = settings | {"redis_url": redis_url, "identity": identity}
        with running_hub(tmp_path / identity, kubeconfig, given) as hub:
            customer.becomes("True", "Succeeded")
            caller = caller or ApiCaller(customer.plane, hub.api, customer.namespace, "editor").given("edit")
            caller.api = hub.api
            answer = caller.ask("GET", path)
            assert answer.status == 200, answer.body
            cached.append(answer.json["cached"])
            assert "redis" not in hub.log.read_text().lower(), "it complains of Redis"
    assert cached == [False, True]
    assert sum(asked.path == "/w" for asked in customer.corner.asked) == 1


@pytest.mark.req("OAU-10", "OAU-05", "ENV-04", "PRV-35")
@pytest.mark.req("HUB-16", part="OAuth and integration services")
def test_clients_of_vendors_come_from_the_environment(
    tmp_path: Path,
    kubeconfig: Path,
    settings: dict[str, str],
    customer: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slack has its own pair; Google's is one for its calendar and its drive, each with its own scopes."""
    for prefix in ("SLACK", "GOOGLE"):
        monkeypatch.setenv(f"{prefix}_CLIENT_ID", f"client-of-{prefix.lower()}")
        monkeypatch.setenv(f"{prefix}_CLIENT_SECRET", f"canary-of-{prefix.lower()}")
    with running_hub(tmp_path, kubeconfig, settings) as hub:
        caller = ApiCaller(customer.plane, hub.api, customer.namespace, "editor").given("edit")
        seen = {}
        for slug in ("slack", "google-calendar", "google-drive"):
            customer.plane.kubectl("wait", f"ciprov/{slug}", "--for=condition=Ready", "--timeout=60s")
            answer = caller.ask("POST", f"/workspaces/{customer.namespace}/integrations/{slug}/connect")
            assert answer.status == 200, answer.body
            assert b"canary" not in answer.body
            target = urlsplit(answer.json["authorizeUrl"])
            query = parse_qs(target.query)
            assert query["redirect_uri"] == [f"{hub.api}/oauth/callback/{slug}"]
            seen[slug] = (target.hostname, query["client_id"][0], query["scope"][0])
        assert seen["slack"][:2] == ("slack.com", "client-of-slack")
        assert seen["google-calendar"][:2] == seen["google-drive"][:2] == (
            "accounts.google.com", "client-of-google",
        )  # fmt: skip
        assert "calendar" in seen["google-calendar"][2]
        assert "drive" in seen["google-drive"][2]
        assert seen["google-calendar"][2] != seen["google-drive"][2]
