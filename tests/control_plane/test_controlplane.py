"""The control plane itself: real, separate, restartable, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import controlplane
from controlplane import ControlPlane, KubectlError

TOOLS = Path(controlplane.__file__).parents[1]

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
        },
    },
}


@pytest.fixture
def own_plane() -> Iterator[ControlPlane]:
    """A control plane that a test may break."""
    with ControlPlane.start() as plane:
        yield plane


def eventually(fact: Callable[[], bool]) -> None:
    """Wait for a fact; the test's own timeout is the only limit."""
    while not fact():
        time.sleep(0.05)


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class TestTheSharedControlPlane:
    def test_is_ready_with_every_component_running(self, control_plane: ControlPlane) -> None:
        control_plane.wait_ready()
        components = control_plane.status()
        assert set(components) == {
            "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok",
        }  # fmt: skip
        assert all(now["pid"] and now["exit"] is None for now in components.values())

    def test_is_the_pinned_kubernetes(self, control_plane: ControlPlane) -> None:
        versions = json.loads(control_plane.kubectl("version", "-o", "json").stdout)
        assert versions["serverVersion"]["gitVersion"] == "v1.35.4"
        assert versions["clientVersion"]["gitVersion"] == "v1.35.4"

    def test_has_a_certificate_that_the_strictest_check_accepts(self, control_plane: ControlPlane) -> None:
        strict = ssl.create_default_context(cafile=str(control_plane.ca_path))
        strict.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13 checks so by default
        host, _, port = control_plane.url.removeprefix("https://").rpartition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            strict.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() == "TLSv1.3"

    def test_lets_a_service_account_do_only_what_it_was_granted(
        self, control_plane: ControlPlane, namespace: str
    ) -> None:
        control_plane.kubectl("-n", namespace, "create", "serviceaccount", "reader")
        control_plane.kubectl("-n", namespace, "create", "configmap", "facts", "--from-literal=a=1")
        reader = control_plane.service_account_kubeconfig(namespace, "reader")

        with pytest.raises(KubectlError, match=rf"{namespace}:reader.*cannot get resource"):
            control_plane.kubectl("get", "configmap", "facts", as_kubeconfig=reader)

        control_plane.kubectl("-n", namespace, "create", "role", "see", "--verb=get", "--resource=configmaps")
        control_plane.kubectl(
            "-n",
            namespace,
            "create",
            "rolebinding",
            "see",
            "--role=see",
            f"--serviceaccount={namespace}:reader",
        )
        got = control_plane.kubectl("get", "configmap", "facts", "-o", "name", as_kubeconfig=reader)
        assert got.stdout == "configmap/facts\n"
        refused = control_plane.kubectl(
            "get", "configmap", "facts", "-n", "kube-system", as_kubeconfig=reader, check=False
        )
        assert "Forbidden" in refused.stderr

    def test_makes_a_deployment_available_on_fake_nodes(
        self, control_plane: ControlPlane, namespace: str
    ) -> None:
        control_plane.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(DEPLOYMENT))
        control_plane.kubectl(
            "-n", namespace, "wait", "--for=condition=Available", "deployment/web", "--timeout=2m"
        )
        pods = json.loads(control_plane.kubectl("-n", namespace, "get", "pods", "-o", "json").stdout)["items"]
        assert {pod["status"]["phase"] for pod in pods} == {"Running"}
        assert all(pod["spec"]["nodeName"].startswith("kwok-") for pod in pods)

    def test_gives_each_test_a_namespace_that_is_its_own(
        self, namespace: str, control_plane: ControlPlane
    ) -> None:
        assert control_plane.kubectl(
            "-n", namespace, "get", "pods,configmaps,secrets", "-o", "name"
        ).stdout == ("configmap/kube-root-ca.crt\n")


class TestAnOwnControlPlane:
    def test_two_at_once_do_not_see_each_other(self, own_plane: ControlPlane) -> None:
        with ControlPlane.start() as other:
            own_plane.create_namespace("only-here")
            assert own_plane.url != other.url
            assert "only-here" not in other.kubectl("get", "namespaces", "-o", "name").stdout
            foreign = other.kubectl("get", "namespaces", as_kubeconfig=own_plane.kubeconfig)
            assert "only-here" in foreign.stdout

    def test_the_api_server_comes_back_on_its_port_with_its_data(self, own_plane: ControlPlane) -> None:
        own_plane.create_namespace("survivor")
        before, url = own_plane.status()["kube-apiserver"]["pid"], own_plane.url
        own_plane.kill("kube-apiserver")
        with pytest.raises(ConnectionRefusedError):
            own_plane.api.request("GET", "/readyz")
        own_plane.start_component("kube-apiserver")
        own_plane.wait_ready()
        assert own_plane.status()["kube-apiserver"]["pid"] != before
        assert own_plane.url == url
        assert "namespace/survivor" in own_plane.kubectl("get", "namespaces", "-o", "name").stdout

    def test_etcd_comes_back_with_its_data(self, own_plane: ControlPlane) -> None:
        own_plane.create_namespace("survivor")
        own_plane.restart("etcd")
        assert "namespace/survivor" in own_plane.kubectl("get", "namespaces", "-o", "name").stdout

    def test_writes_who_did_what_when_asked_to(self) -> None:
        with ControlPlane.start(audit=True) as plane:
            plane.kubectl("create", "configmap", "audited", "-n", "default")
            entries = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
        created = [
            e for e in entries if e.get("objectRef", {}).get("name") == "audited" and e["verb"] == "create"
        ]
        assert [entry["user"]["username"] for entry in created] == ["admin"]

    def test_removes_only_its_own_files_when_it_stops(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("mine")
        with ControlPlane.start(tmp_path) as plane:
            pids = [now["pid"] for now in plane.status().values() if now["pid"]]
            with pytest.raises(FileExistsError, match="stop it first"):
                ControlPlane.start(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["notes"]
        assert not any(alive(pid) for pid in pids)
        with pytest.raises(FileNotFoundError):
            ControlPlane.attach(tmp_path)


OWNER = """
import sys, time
from controlplane import ControlPlane
plane = ControlPlane.start(kwok_nodes=1)
print(plane.state_dir, flush=True)
time.sleep(3600)
"""


class TestNothingIsLeftBehind:
    def _owner(self) -> tuple[subprocess.Popen[str], ControlPlane]:
        """A process that owns a control plane and then does nothing."""
        environment = {**os.environ, "PYTHONPATH": str(TOOLS)}
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert owner.stdout is not None
        return owner, ControlPlane.attach(Path(owner.stdout.readline().strip()))

    def test_after_kill_9_of_its_owner(self) -> None:
        owner, plane = self._owner()
        pids = [now["pid"] for now in plane.status().values() if now["pid"]]
        run = Path(json.loads((plane.state_dir / "state.json").read_text())["run"])
        assert len(pids) == 5
        assert all(alive(pid) for pid in pids)
        with owner:
            owner.kill()
        eventually(lambda: not any(alive(pid) for pid in pids))
        eventually(lambda: not plane.state_dir.exists() and not run.exists())

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's death signal is Linux's")
    def test_no_process_after_kill_9_of_its_supervisor(self) -> None:
        owner, plane = self._owner()
        pids = [now["pid"] for now in plane.status().values() if now["pid"]]
        parents = {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] for pid in pids}
        (supervisor,) = parents
        os.kill(int(supervisor), signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in pids))
        plane.stop()
        assert not plane.state_dir.exists()
        with owner:
            owner.kill()


class TestTheCommand:
    def _run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], **variables}
        return subprocess.run(
            [sys.executable, str(TOOLS / "controlplane"), *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_says_in_one_sentence_what_to_install_where_nothing_can_be_had(self, tmp_path: Path) -> None:
        nowhere = "http://127.0.0.1:9"
        ran = self._run(
            "up",
            str(tmp_path / "state"),
            PATH=str(tmp_path),
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            HTTPS_PROXY=nowhere,
            https_proxy=nowhere,
        )
        assert ran.returncode == 1
        last = ran.stderr.splitlines()[-1]
        assert last.startswith("controlplane: Cannot find etcd, kube-apiserver, kube-controller-manager")
        assert last.endswith("install Go 1.26 or newer (https://go.dev/dl).")
        assert "Traceback" not in ran.stderr
        assert not (tmp_path / "state").exists()

    def test_starts_in_the_background_tells_the_shell_and_stops(self, tmp_path: Path) -> None:
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        up = self._run("up", str(tmp_path / "cp"), "--kwok-nodes=0", XDG_CACHE_HOME=cache)
        assert up.returncode == 0, up.stderr
        assert f"export KUBECONFIG={tmp_path}/cp/kubeconfig" in up.stdout
        assert "kube-apiserver" in self._run("status", str(tmp_path / "cp")).stdout
        assert self._run("restart", "kube-apiserver", str(tmp_path / "cp")).returncode == 0
        assert self._run("down", str(tmp_path / "cp")).returncode == 0
        assert not (tmp_path / "cp").exists()
        gone = self._run("env", str(tmp_path / "cp"))
        assert gone.returncode == 1
        assert "Traceback" not in gone.stderr
