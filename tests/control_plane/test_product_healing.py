"""Healing under the worst: storms, a hub killed in the middle, and the worked example as it is written.

Storms and killed hubs would disturb everybody else's products, so this module has a control plane and
hubs of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import hub_chart
import samples
from api_proxy import ApiProxy
from controlplane import ControlPlane
from eventually import eventually
from far_end import FarEnd
from hub_process import HubProcess, running_hub
from products import HEAL_ID, QUICK_HEAL, Products

pytestmark = [pytest.mark.control_plane]

WELL = {"status": "healthy", "version": "1.0.0", "uptime": 3600, "metrics": {"cpu": 45.2, "memory": 62.8}}
HUB = "integration-hub"
SAMPLE = "project-123"
SAMPLE_ADDRESS = "127.77.12.3"
"""A loopback address of this test's own, where port 8080 is free."""

Start = Callable[..., AbstractContextManager[HubProcess]]
Proxied = Callable[[], AbstractContextManager[tuple[ApiProxy, Path]]]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane.start(kwok_nodes=1, audit=True) as started:
        yield started


@pytest.fixture(scope="module")
def kubeconfig(plane: ControlPlane) -> Path:
    return hub_chart.install_rights(plane)


@pytest.fixture
def start(kubeconfig: Path, outside: FarEnd, tmp_path: Path) -> Start:
    """Starts a hub, through another kubeconfig if given."""
    count = iter(range(100))

    def started(through: Path | None = None, **settings: str) -> AbstractContextManager[HubProcess]:
        given = {
            "namespace": HUB,
            "egress_allow": f"127.0.0.1/32:{outside.port}",
            "catalogue_install": "false",
        }
        folder = tmp_path / f"hub-{next(count)}"
        return running_hub(folder, through or kubeconfig, {**given, **settings})

    return started


@pytest.fixture
def proxied(plane: ControlPlane, kubeconfig: Path, tmp_path: Path) -> Proxied:
    """A proxy in front of the API server, and the hub's kubeconfig that leads through it."""

    @contextmanager
    def opened() -> Iterator[tuple[ApiProxy, Path]]:
        with ApiProxy(plane) as proxy:
            yield proxy, proxy.kubeconfig(kubeconfig, tmp_path)

    return opened


@pytest.fixture
def products(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Products]:
    """A namespace of its own, served; its products end with the test."""
    name = f"heal-{abs(hash(request.node.name)) % 10**8}"
    plane.create_namespace(name)
    hub_chart.serve(plane, name)
    yield Products(plane, name)
    plane.kubectl("-n", name, "delete", "prodreg", "--all", "--timeout=30s")
    plane.kubectl("-n", HUB, "delete", "configmap", "integration-hub-heal-brake", "--ignore-not-found")
    plane.delete_namespace(name)


def heals(plane: ControlPlane, namespace: str) -> int:
    """Patches of Deployments by the hub that went through, by the API server's audit log."""
    found = 0
    for line in plane.audit_log.read_text().splitlines():
        if '"verb":"patch"' in line and f"/namespaces/{namespace}/deployments/" in line:
            entry = json.loads(line)
            hub = entry["user"]["username"] == f"system:serviceaccount:{HUB}:{HUB}"
            found += hub and entry.get("responseStatus", {}).get("code") == 200
    return found


@pytest.mark.req("HEAL-01", "PLT-07")
def test_a_storm_heals_nothing_until_a_person_says_so(
    plane: ControlPlane, products: Products, outside: FarEnd, start: Start
) -> None:
    names = [f"p{number}" for number in range(6)]
    corners = {name: outside.corner(f"{products.namespace}-{name}") for name in names}
    with start() as hub:
        for name, corner in corners.items():
            corner.always(200, WELL)
            products.deploy(name)
            products.register(name, corner, heal={**QUICK_HEAL, "afterSeconds": 5})
        for name in names:
            products.becomes(name, "True", "Succeeded")
        time.sleep(6)  # the hub has watched long enough to act
        for name in names[:4]:
            corners[name].always(500)
        for name in names[:4]:
            products.becomes(name, "True", "HealStormBrake", condition="HealSuspended")
        time.sleep(10)
        assert heals(plane, products.namespace) == 0
        assert hub.metric("integration_hub_heal_brake") == 1
        alerts = [each for name in names for each in products.events(name) if each[1] == "HealStormBrake"]
        assert alerts == [("Warning", "HealStormBrake")]
        hub.kill()
    with start():
        time.sleep(12)  # longer than the new hub watches before it acts
        assert heals(plane, products.namespace) == 0
        removal = '[{"op": "remove", "path": "/data/tripped"}]'
        brake = ("patch", "configmap", "integration-hub-heal-brake", "--type=json", "--patch", removal)
        plane.kubectl("-n", HUB, *brake)
        eventually(lambda: heals(plane, products.namespace) == 4, "four heals", seconds=60)


@pytest.mark.req("HEAL-01", "HEAL-10")
def test_a_hub_killed_between_the_patch_and_its_record_restarts_once(
    plane: ControlPlane, products: Products, outside: FarEnd, start: Start, proxied: Proxied
) -> None:
    process = outside.corner(products.namespace)
    process.always(200, WELL)
    products.deploy("dataflow")
    with proxied() as (proxy, through), start(through) as first:
        products.register("dataflow", process, heal={**QUICK_HEAL, "afterSeconds": 8, "verifySeconds": 300})
        products.becomes("dataflow", "True", "Succeeded")
        process.always(500)
        products.until("dataflow", lambda: products.verdict("dataflow") == "unhealthy")

        def record(seen: object) -> bool:
            return getattr(seen, "path", "").endswith("productregistrations/dataflow/status")

        with proxy.silent(record):
            products.until("dataflow", lambda: products.healed("dataflow"), seconds=40)
            assert products.results("dataflow") == [], "the record is still on its way"
            first.kill()
    heal_id = products.template("dataflow")[HEAL_ID]
    with start():
        products.until("dataflow", lambda: products.results("dataflow") == ["verifying"], seconds=40)
        time.sleep(10)  # longer than the new hub watches before it acts
        process.always(200, WELL)
        products.until("dataflow", lambda: products.results("dataflow") == ["succeeded"])
    assert products.template("dataflow")[HEAL_ID] == heal_id
    assert products.status("dataflow")["heal"]["count"] == 1
    assert heals(plane, products.namespace) == 1


@pytest.mark.req("PRD-11", "PRD-17", "PRD-21")
def test_the_worked_example_lives_as_it_is_written(plane: ControlPlane, start: Start) -> None:
    plane.create_namespace(SAMPLE)
    product = Products(plane, SAMPLE)
    with (
        sample_product(),
        start(
            egress_allow=f"{SAMPLE_ADDRESS}/32:8080", egress_hosts=f"dataflow.{SAMPLE}.svc={SAMPLE_ADDRESS}"
        ),
    ):
        samples.apply_one(plane, "itechsmart-dataflow.yaml")
        product.becomes("itechsmart-dataflow", "True", "Succeeded", seconds=40)
        row = product.kubectl("get", "productregistrations").splitlines()[1].split()
        assert row[:4] == ["itechsmart-dataflow", "itechsmart-dataflow", "1.0.0", "healthy"]
        spec = product.get("itechsmart-dataflow")["spec"]
        assert spec["capabilities"] == ["data_pipeline", "etl", "streaming"]


@contextmanager
def sample_product() -> Iterator[None]:
    """The product of the example: answers GET /health on port 8080."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(WELL).encode()
            self.send_response(200 if self.path == "/health" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer((SAMPLE_ADDRESS, 8080), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
