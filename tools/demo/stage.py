"""Everything that has to stand before the story begins, and that has to be gone after it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import string
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controlplane import ControlPlane, locate
from demo import leash, outside_system
from demo.cluster import HUB_NAMESPACE, NAMESPACE, Cluster
from demo.processes import Program, ask, free_port, listens
from demo.screen import Screen

HERE = Path(__file__).resolve().parent
STRIPE_HOST = "stripe.demo"
_PORTS = {"stripe": 18420, "orders": 18080, "probe": 18081, "hub": 18000}
_START_S = 60.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for: keep it running afterwards; a context of their own kubeconfig."""

    keep: bool = False
    context: str | None = None


class Stage:
    """Builds the stage step by step and takes it down again; `cluster` and `ports` are for the story."""

    def __init__(self, wishes: Wishes, screen: Screen) -> None:
        self.wishes = wishes
        self.root = kept_directory() if wishes.keep else Path(tempfile.mkdtemp(prefix="hub-demo-"))
        self.ports: dict[str, int] = {}
        self.cluster: Cluster
        self._screen = screen
        self._leash = self.root / "running"
        self._owner = None if wishes.keep else os.getpid()
        self._programs: list[Program] = []
        self._plane: ControlPlane | None = None
        self._installed = False

    def build(self) -> None:
        """Start everything. Raises DemoError, or what the control plane raises."""
        self._prepare_folders()
        with self._screen.wait("control plane") as step:
            self._connect(lambda text: self._screen.note(step, text))
            step.done = (
                f"context {self.wishes.context}"
                if self.wishes.context
                else "etcd, kube-apiserver, controllers, scheduler, one kwok node"
            )
        with self._screen.wait("outside system") as step:
            self._start_outside_system(lambda text: self._screen.note(step, text))
            step.done = f"localstripe {outside_system.version()}, an imitation of Stripe's API, from PyPI"
        with self._screen.wait("hub") as step:
            self._start_hub()
            step.done = "CRDs, rights of its own ServiceAccount, operator and gateway"
        self._start_stand_in()
        self._remember()

    def close(self) -> None:
        """Take everything down. May be called at any point, also twice."""
        if self._installed and self.wishes.context:
            self.cluster.remove_everything()
            self._installed = False
        self._leash.unlink(missing_ok=True)
        for program in self._programs:
            program.wait_gone()
        if self._plane is not None:
            self._plane.stop()
            self._plane = None
        shutil.rmtree(self.root, ignore_errors=True)

    def stand_in_log(self) -> Path:
        """What the stand-in for the kubelet says."""
        return self.root / "kubelet-stand-in.log"

    def _prepare_folders(self) -> None:
        folder = self.root / "yaml"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self._leash.touch()
        self.ports = {name: free_port(wish) for name, wish in _PORTS.items()}
        values = {
            "namespace": NAMESPACE,
            "hub_namespace": HUB_NAMESPACE,
            "stripe_host": STRIPE_HOST,
            "stripe_port": str(self.ports["stripe"]),
            "orders_port": str(self.ports["orders"]),
            "wrong_key": outside_system.WRONG_KEY,
        }
        for source in sorted((HERE / "yaml").glob("*.yaml")):
            (folder / source.name).write_text(string.Template(source.read_text()).substitute(values))

    def _connect(self, report: Callable[[str], None]) -> None:
        folder = self.root / "yaml"
        if self.wishes.context:
            kubectl = locate(["kubectl"], report)["kubectl"]
            self.cluster = Cluster.connect(kubectl, None, self.wishes.context, folder)
            self.cluster.refuse_if_in_use()
            return
        self._plane = ControlPlane.start(
            self.root / "controlplane", kwok_nodes=1, owner=self._owner, report=report
        )
        kubectl = self._plane.program("kubectl")
        self.cluster = Cluster.connect(kubectl, self._plane.kubeconfig, None, folder)

    def _start_outside_system(self, report: Callable[[str], None]) -> None:
        python = outside_system.install(report)
        port = self.ports["stripe"]
        program = self._start("outside-system", outside_system.command(python, port))
        program.until(lambda: listens(port), _START_S, "its first answer")

    def _start_hub(self) -> None:
        self._installed = True
        self.cluster.install_hub()
        ports = self.ports
        environment = {
            # Loopback is closed to the hub unless its administrator opens it: here, two ports of it.
            "INTEGRATION_HUB_EGRESS_ALLOW": f"127.0.0.1/32:{ports['stripe']},127.0.0.1/32:{ports['orders']}",
            "INTEGRATION_HUB_EGRESS_HOSTS": f"{STRIPE_HOST}=127.0.0.1,orders.{NAMESPACE}.svc=127.0.0.1",
            "INTEGRATION_HUB_PROBE_HOST": "127.0.0.1",
            "INTEGRATION_HUB_GATEWAY_HOST": "127.0.0.1",
            "INTEGRATION_HUB_GATEWAY_PORT": str(ports["hub"]),
            "INTEGRATION_HUB_DATA_DIR": str(self.root / "data"),
            "TOKEN_ENCRYPTION_KEY": secrets.token_hex(32),
        }
        command = f"{Path(sys.executable).with_name('integration-hub')} run --namespace {HUB_NAMESPACE}"
        options = f"--kubeconfig {self.cluster.hub_kubeconfig()} --probe-port {ports['probe']}"
        program = self._start("hub", shlex.split(f"{command} {options}"), environment)
        program.until(lambda: _ready(ports["probe"]), _START_S, "readiness")
        self.cluster.hub = f"http://127.0.0.1:{ports['hub']}"

    def _start_stand_in(self) -> None:
        """Begins to watch for the Deployment; the product's process starts when there is one."""
        product = [sys.executable, str(HERE / "product.py"), "--port", str(self.ports["orders"])]
        command = [sys.executable, str(HERE / "kubelet_stand_in.py"), "--kubectl", str(self.cluster.kubectl)]
        where = f"--kubeconfig {self.cluster.kubeconfig} --namespace {NAMESPACE} --deployment orders"
        self._start("kubelet-stand-in", [*command, *where.split(), "--", *product])

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> Program:
        program = Program(
            name,
            command,
            leash=self._leash,
            log=self.root / f"{name}.log",
            owner=self._owner,
            environment=environment,
        )
        self._programs.insert(0, program)
        return program

    def _remember(self) -> None:
        """Leave what `stop` needs."""
        state = {"context": self.wishes.context, "kubectl": str(self.cluster.kubectl)}
        (self.root / "demo.json").write_text(json.dumps(state))


def kept_directory() -> Path:
    """Where a demo that keeps running has its files."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "integration-hub" / "demo"


def kept_and_running() -> bool:
    """Whether a demo that was kept still runs."""
    return (kept_directory() / "running").exists()


def stop() -> bool:
    """Stop a demo that was kept and remove its files; False if there is none."""
    root = kept_directory()
    if not root.exists():
        return False
    state_file = root / "demo.json"
    state = json.loads(state_file.read_text()) if state_file.exists() else {}
    if state.get("context"):
        Cluster(Path(state["kubectl"]), root / "kubeconfig", root / "yaml").remove_everything()
    if (root / "running").exists():
        leash.cut(root / "running", _STOP_S)
    with contextlib.suppress(FileNotFoundError, ConnectionError):  # a user's own cluster, or ended already
        ControlPlane.attach(root / "controlplane").stop()
    shutil.rmtree(root, ignore_errors=True)
    return True


def _ready(port: int) -> bool:
    try:
        return ask("GET", port, "/readyz")[0] == 200
    except OSError:
        return False
