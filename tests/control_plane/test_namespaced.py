"""A hub without cluster rights, end to end: installed by an admin of namespaces, used by their services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from caller import AUDIENCE, ApiCaller
from controlplane import ControlPlane
from eventually import eventually
from far_end import Asked, Corner, FarEnd, Reply
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.kubernetes import Connection, KubernetesCluster
from integration_hub.adapters.kubernetes.issuer import ClusterIssuer
from integration_hub.adapters.kubernetes.review import TokenReviewer
from integration_hub.adapters.kubernetes.service_accounts import ServiceAccountTokens
from integration_hub.adapters.tokens.published_keys import PublishedKeys
from integration_hub.adapters.tokens.signed import SignedTokens
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Caller, Problem, SecretText
from kubectl_plugin import kubectl_hub
from namespaced_hub import ACCOUNT, ELSEWHERE, HOME, SERVED, WATCHED, Namespaced, namespaced_hub
from product_caller import ask, key_of
from products import QUICK_HEAL, Products
from tenant import Tenant, gate, head_of

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("namespaced")]

CALL = "/api/integration-hub/ci/execute"
KEY = "Basic Ym90OnJpZ2h0"


@pytest.fixture(scope="module")
def own(outside: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespaced]:
    with namespaced_hub(tmp_path_factory.mktemp("namespaced"), outside) as made:
        yield made


@pytest.fixture
def team(own: Namespaced, corner: Corner) -> Tenant:
    """The namespace that lets the hub in, with a Jenkins, which the catalogue in the image knows."""
    corner.behave = jenkins
    return Tenant(own.plane, SERVED, corner)


def jenkins(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != KEY:
        return Reply(401, {})
    return Reply(200, {"anonymous": False} if asked.path.startswith("/whoAmI") else {"path": asked.path})


def connect(team: Tenant, name: str = "ci") -> None:
    team.secret(name, username="bot", apiToken="right")
    team.integration(
        name,
        providerRef={"name": "jenkins"},
        config={"url": team.corner.url},
        instance=name,
        credentials={"secretRef": {"name": name}},
    )


def may(own: Namespaced, verb: str, resource: str, *where: str) -> bool:
    asked = ("auth", "can-i", verb, resource, *where)
    return own.plane.kubectl(*asked, as_kubeconfig=own.rights, check=False).stdout.strip() == "yes"


def rights(plane: ControlPlane, kubeconfig: Path, namespace: str) -> list[str]:
    listed = plane.kubectl("auth", "can-i", "--list", "-n", namespace, as_kubeconfig=kubeconfig).stdout
    return sorted(" ".join(line.split()) for line in listed.splitlines())


@pytest.mark.req("SEC-07")
def test_outside_its_namespaces_it_is_a_serviceaccount_like_any_other(own: Namespaced) -> None:
    own.plane.kubectl("create", "serviceaccount", "nobody", "-n", ELSEWHERE)
    anybody = rights(own.plane, own.plane.service_account_kubeconfig(ELSEWHERE, "nobody"), ELSEWHERE)
    assert rights(own.plane, own.rights, ELSEWHERE) == anybody
    for verb, resource in (("create", "tokenreviews"), ("list", "namespaces"), ("list", "ciprov")):
        assert not may(own, verb, resource)
    assert not may(own, "list", "integrations.integrationhub.io", "--all-namespaces")
    assert may(own, "list", "integrations.integrationhub.io", f"--namespace={WATCHED}")


@pytest.mark.req("INT-21", "HUB-02", "SEC-07")
def test_a_service_calls_through_a_provider_of_the_image(own: Namespaced, team: Tenant) -> None:
    connect(team)
    team.becomes("True", "Succeeded", name="ci")
    assert own.plane.kubectl("get", "ciprov", "-o", "name").stdout == ""

    service = ApiCaller(own.plane, own.hub.api, SERVED, "service").given("edit")
    called = service.ask("POST", CALL, {"endpoint": "/job/nightly/api/json"})
    assert called.status == 200, called.body
    assert called.json["result"]["data"] == {"path": "/job/nightly/api/json"}

    viewer = ApiCaller(own.plane, own.hub.api, SERVED, "viewer").given("view")
    refused = viewer.ask("POST", CALL, {"endpoint": "/"})
    assert (refused.status, refused.json["code"]) == (403, "FORBIDDEN")
    assert (
        f"system:serviceaccount:{SERVED}:viewer may not create integrations/call" in refused.json["details"]
    )
    offered = service.ask("GET", "/api/v1/integrations/providers?limit=100")
    assert offered.status == 200, offered.body
    assert "jenkins" in offered.body.decode()


def bound_to(own: Namespaced, pod: str, account: str) -> dict[str, str]:
    """What a token says that is bound to a new pod of this name."""
    return {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": own.pod(SERVED, pod, account)}


@asynccontextmanager
async def api(kubeconfig: Path) -> Any:
    connection = await Connection.open(SystemClock(), user_agent="test", kubeconfig=kubeconfig)
    try:
        yield KubernetesCluster(connection, field_manager="test", budget=None, leadership=None)
    finally:
        await connection.close()


async def both(own: Namespaced, token: str) -> tuple[Any, Any]:
    """Who holds a token: as the hub finds with its rights, and as a TokenReview says."""
    clock = SystemClock()
    async with api(own.rights) as cluster, api(own.plane.kubeconfig) as everything:
        signed = SignedTokens(PublishedKeys(ClusterIssuer(cluster), clock), clock, audience=AUDIENCE)
        found = await ServiceAccountTokens(signed, cluster, clock).authenticate(SecretText(token))
        reviewed = await TokenReviewer(everything, clock, audience=AUDIENCE).authenticate(SecretText(token))
        return found, reviewed


async def refusal(own: Namespaced, token: str) -> str:
    """Why a token is nobody's, which a TokenReview finds, too."""
    found, reviewed = await both(own, token)
    assert isinstance(found, Problem)
    assert isinstance(reviewed, Problem)
    assert found.code is reviewed.code is ErrorCode.UNAUTHENTICATED
    return found.details


@pytest.mark.req("HUB-02")
@pytest.mark.parametrize("bound", [False, True], ids=["to nothing", "to a pod"])
async def test_a_caller_is_whom_a_token_review_would_name(own: Namespaced, bound: bool) -> None:
    name = f"named-{bound}".lower()
    own.plane.kubectl("create", "serviceaccount", name, "-n", SERVED)
    pod = (
        {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": own.pod(SERVED, name, name)} if bound else {}
    )
    found, reviewed = await both(own, own.token(SERVED, name, audience=AUDIENCE, **pod))
    assert isinstance(reviewed, Caller)
    assert found == reviewed
    assert f"system:serviceaccounts:{SERVED}" in found.groups
    assert ("authentication.kubernetes.io/pod-name" in found.extra) is bound


@pytest.mark.req("HUB-02")
async def test_who_is_gone_is_nobody(own: Namespaced) -> None:
    """The signature of their token is good for another hour."""
    own.plane.kubectl("create", "serviceaccount", "leaver", "-n", SERVED)
    pod = bound_to(own, "leaver-0", "leaver")
    # A fresh one for each question: the API server remembers those that it has seen for a while, as we do.
    of_pod = [own.token(SERVED, "leaver", audience=AUDIENCE, **pod) for _ in range(2)]
    of_account = [own.token(SERVED, "leaver", audience=AUDIENCE) for _ in range(3)]
    assert isinstance((await both(own, of_pod.pop()))[0], Caller)
    own.plane.kubectl("delete", "pod", "leaver-0", "-n", SERVED, "--now")
    bound_to(own, "leaver-0", "leaver")
    assert await refusal(own, of_pod.pop()) == "The token's Pod leaver-0 is not there any more.", (
        "it is another"
    )
    assert isinstance((await both(own, of_account.pop()))[0], Caller)
    for verb in ("delete", "create"):
        own.plane.kubectl(verb, "serviceaccount", "leaver", "-n", SERVED)
        assert (
            await refusal(own, of_account.pop()) == "The token's ServiceAccount leaver is not there any more."
        )


@pytest.mark.req("HUB-02", "SEC-07")
def test_tokens_that_are_not_for_it_are_nobodys(own: Namespaced) -> None:
    caller = ApiCaller(own.plane, own.hub.api, SERVED, "wanderer")
    caller.token = own.plane.service_account_token(SERVED, "wanderer")
    refused = caller.ask("GET", "/api/v1/integrations")
    assert (refused.status, refused.json["code"]) == (401, "UNAUTHENTICATED")
    assert "made for the audience integration-hub" in refused.json["details"]
    assert caller.token not in refused.body.decode()


def test_callers_of_other_namespaces_come_in_where_the_hub_may_see_them(own: Namespaced) -> None:
    guest = ApiCaller(own.plane, own.hub.api, ELSEWHERE, "guest").given("view", SERVED)
    refused = guest.ask("GET", "/api/v1/integrations", X_Tenant=SERVED)
    assert refused.status == 401
    assert f"may not see serviceaccounts in namespace {ELSEWHERE}" in refused.json["details"]
    subject = f"--serviceaccount={HOME}:{ACCOUNT}"
    role = ("integration-hub-callers", "-n", ELSEWHERE)
    own.plane.kubectl("create", "role", *role, "--verb=get", "--resource=serviceaccounts,pods")
    own.plane.kubectl("create", "rolebinding", *role, "--role=integration-hub-callers", subject)
    guest.token = own.token(ELSEWHERE, "guest", audience=AUDIENCE)  # the first one is known to be refused
    assert guest.ask("GET", "/api/v1/integrations", X_Tenant=SERVED).status == 200


@pytest.mark.req("SEC-07", "INT-13")
def test_a_namespace_lets_it_in_with_the_command_that_it_tells(own: Namespaced, corner: Corner) -> None:
    corner.behave = jenkins
    team = Tenant(own.plane, WATCHED, corner)
    connect(team)
    team.becomes("False", "SecretAccessDenied", name="ci")
    told = next(each for each in team.status("ci")["conditions"] if each["reason"] == "SecretAccessDenied")[
        "message"
    ]
    command = told[told.index("kubectl ") :].splitlines()[0].rstrip(".").split()
    assert "--role=integration-hub-tenant" in command
    own.plane.kubectl(*command[1:], as_kubeconfig=own.lead)
    team.becomes("True", "Succeeded", name="ci", seconds=60)


def test_kubectl_hub_works_with_the_rights_of_a_lead(
    own: Namespaced, team: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_SERVER", own.hub.api)
    monkeypatch.delenv("INTEGRATION_HUB_TOKEN", raising=False)
    account = f"--serviceaccount={SERVED}:default"
    own.plane.kubectl("create", "rolebinding", "cli", "--clusterrole=admin", account, "-n", SERVED)
    connect(team, "builds")
    team.becomes("True", "Succeeded", name="builds")

    def run(*arguments: str, namespace: str = SERVED) -> str:
        return kubectl_hub(own.plane, *arguments, "-n", namespace, kubeconfig=own.lead).stdout

    assert "builds" in run("get")
    assert "healthy" in run("test", "builds")
    eventually(
        lambda: json.loads(run("exec", "builds", "GET", "/api/json")) == {"path": "/api/json"},
        "a call",
        seconds=30,
    )
    assert "jenkins" in run("provider", "list")
    assert "apiToken" in run("provider", "schema", "jenkins")
    hub = ("--hub-namespace", HOME, "--hub-service-account", ACCOUNT)
    assert "already served" in run("tenant", "add", SERVED, *hub)
    assert f"{HOME}/{ACCOUNT}" in run("tenant", "list")
    for verb, said in (("remove", "not served any more"), ("add", f"namespace/{SERVED} is served")):
        assert said in run("tenant", verb, SERVED, *hub)
    binding = own.plane.kubectl("get", "rolebinding", "integration-hub-tenant", "-n", SERVED, "-o", "json")
    assert json.loads(binding.stdout)["roleRef"]["kind"] == "Role"


@pytest.mark.req("PRD-12")
def test_a_deployment_is_healed_once_its_label_says_so(own: Namespaced, corner: Corner) -> None:
    products = Products(own.plane, SERVED)
    products.deploy("dataflow")
    corner.always(503)
    products.register("dataflow", corner, heal=QUICK_HEAL)
    products.until("dataflow", lambda: "HealNoConsent" in json.dumps(products.status("dataflow")), seconds=60)
    assert not products.healed("dataflow")
    products.kubectl("label", "deployment", "dataflow", "integrationhub.io/heal=enabled")
    products.until("dataflow", lambda: products.healed("dataflow"), seconds=60)


@pytest.mark.req("SEC-25")
def test_a_product_gets_its_key_and_is_known_by_it(own: Namespaced, corner: Corner) -> None:
    products = Products(own.plane, SERVED)
    corner.always(200, {"status": "healthy"})
    products.register("pulse", corner, workload=False)
    products.becomes("pulse", "True", "KeyIssued", condition="ApiKeyReady")
    answer = ask(own.hub.gateway_port, "/api/v1/hub/products/pulse/status", key_of(products, "pulse"))
    assert (answer.status, answer.json["product_id"]) == (200, "pulse")


@pytest.mark.req("INT-21")
def test_a_connection_by_a_provider_of_the_teams_own_is_made_over_http(own: Namespaced, team: Tenant) -> None:
    team.corner.behave = gate
    spec = {
        "displayName": "Far End",
        "category": "communication",
        "baseUrl": team.corner.url,
        "authModes": [{"type": "BEARER"}],
        "probe": {"path": "/me"},
    }
    text = yaml.safe_dump({**head_of("IntegrationProvider", "far", SERVED), "spec": spec})
    own.plane.kubectl("apply", "--server-side", "-f", "-", input=text, as_kubeconfig=own.lead)
    own.plane.kubectl("wait", "--for=condition=Ready", "iprov/far", "-n", SERVED, "--timeout=30s")
    builder = ApiCaller(own.plane, own.hub.api, SERVED, "builder").given("edit")
    body = {"providerId": "far", "name": "Far", "config": {}}
    made = builder.ask("POST", "/api/v1/integrations", body | {"apiKey": "right"})
    assert made.status == 201, made.body
    team.becomes("True", "Succeeded", name="far")
    refused = builder.ask("POST", "/api/v1/integrations", body, X_Tenant=WATCHED)
    assert refused.status == 403, "edit of one namespace is not edit of another"


def test_it_finds_nothing_wrong_with_having_few_rights(own: Namespaced) -> None:
    """After all that the tests before made it do."""
    wrong = [each for each in own.hub.entries() if each.get("level") in {"error", "critical"}]
    assert not wrong
    assert own.hub.page("/readyz")[0] == 200
