"""One control plane: start it, use it, break parts of it, stop it."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from controlplane import binaries, components, kubeconfig, kubectl, launch, pins
from controlplane.api import Api, ApiError

_READY_TIMEOUT_S = 60.0
_EXIT_TIMEOUT_S = 120.0
_POLL_S = 0.02
_LOG_LINES_SHOWN = 12

THIS_PROCESS = -1
"""For `owner`: the process that calls `start`."""


class StartError(RuntimeError):
    """A component ended or did not become ready; the message carries the end of its log."""


class ControlPlane:
    """A running etcd, kube-apiserver, kube-controller-manager and kube-scheduler, and kwok if asked for.

    `kubeconfig` is the administrator's. Programs under test take `service_account_kubeconfig`, so that
    RBAC applies to them. Use as a context manager, or call `stop`.
    """

    def __init__(self, state: Mapping[str, Any], layout: components.Layout) -> None:
        self._layout = layout
        self._programs = {name: Path(path) for name, path in state["programs"].items()}
        self._port: int = state["port"]
        self.admin_token: str = state["admin_token"]
        self.ca_path = layout.pki / "ca.crt"
        self.url = f"https://{components.HOST}:{self._port}"
        self.api = Api(components.HOST, self._port, self.ca_path, self.admin_token)

    @classmethod
    def start(
        cls,
        state_dir: Path | None = None,
        *,
        kwok_nodes: int = 0,
        audit: bool = False,
        owner: int | None = THIS_PROCESS,
        report: Callable[[str], None] | None = None,
    ) -> ControlPlane:
        """Start a control plane and return when it is ready (about 3 s; the first time, programs are built).

        `state_dir` is where its files go: a new temporary folder if not given. It stops by itself when the
        process `owner` ends (default: this one); `None` means never. With `audit`, every request of others
        than its own components is written to `audit_log`.
        Raises binaries.BinariesMissingError, StartError.
        """
        wanted = [name for name in pins.COMPONENTS if kwok_nodes or name != "kwok"]
        programs = binaries.locate(wanted, report)
        owner = os.getpid() if owner == THIS_PROCESS else owner
        layout, state = launch.launch(state_dir, programs, owner, audit=audit)
        plane = cls(state, layout)
        try:
            plane.bring_up(kwok_nodes)
        except BaseException:
            plane.stop()
            raise
        return plane

    @classmethod
    def find(cls, state_dir: Path) -> ControlPlane:
        """As `attach`, but also where its supervisor is gone; good for `stop`. Raises FileNotFoundError."""
        layout, state = launch.read(state_dir)
        return cls(state, layout)

    @classmethod
    def attach(cls, state_dir: Path) -> ControlPlane:
        """Use a control plane that another process started with this `state_dir`.

        Raises FileNotFoundError or ConnectionError where none runs there.
        """
        plane = cls.find(state_dir)
        plane.status()
        return plane

    def bring_up(self, kwok_nodes: int) -> None:
        """Start the components in order and wait for each; `start` does it."""
        for name in ("etcd", "kube-apiserver"):
            self.start_component(name)
        self.wait_ready()
        for name in ("kube-controller-manager", "kube-scheduler", *(["kwok"] if kwok_nodes else [])):
            self.start_component(name)
        for index in range(kwok_nodes):
            self.api.request("POST", "/api/v1/nodes", components.kwok_node(index))
        self._until(self._controllers_ready, "the controllers")
        if kwok_nodes:
            self._until(lambda: self._ready_nodes() >= kwok_nodes, "the nodes")

    # -- what a test needs -------------------------------------------------------------------------------

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._layout.kubeconfig

    @property
    def state_dir(self) -> Path:
        """What `attach` wants."""
        return self._layout.root

    @property
    def audit_log(self) -> Path:
        """One JSON object per request, if started with `audit`."""
        return self._layout.logs / "audit.log"

    def program(self, name: str) -> Path:
        """Path of one of the programs, such as kubectl."""
        return self._programs[name]

    def log(self, component: str) -> Path:
        """Path of a component's log."""
        return self._layout.logs / f"{component}.log"

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - the name subprocess.run gives it
        check: bool = True,
        as_kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, or as whoever owns `as_kubeconfig`. Raises KubectlError."""
        who = as_kubeconfig or self.kubeconfig
        return kubectl.run(self.program("kubectl"), who, arguments, stdin=input, check=check)

    def create_namespace(self, name: str) -> None:
        """Create a namespace and wait until pods can be made in it (its default ServiceAccount exists)."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.api.request("POST", "/api/v1/namespaces", body)
        self._until(lambda: self._exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"), name)

    def delete_namespace(self, name: str) -> None:
        """Ask for a namespace's deletion; it goes in the background."""
        self.api.request("DELETE", f"/api/v1/namespaces/{name}")

    def service_account_token(
        self, namespace: str, name: str, *, audience: str | None = None, seconds: int = 86_400
    ) -> str:
        """A token of a ServiceAccount (TokenRequest), which has to exist."""
        spec: dict[str, object] = {"expirationSeconds": seconds}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(name)}/token"
        return str(self.api.request("POST", path, body)["status"]["token"])

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig whose user is this ServiceAccount, for a day: how a program under test connects."""
        return kubeconfig.write(
            self._layout.kubeconfigs / f"{namespace}.{name}",
            server=self.url,
            ca_path=self.ca_path,
            token=self.service_account_token(namespace, name),
            user=f"system:serviceaccount:{namespace}:{name}",
            namespace=namespace,
        )

    # -- breaking and mending ----------------------------------------------------------------------------

    def start_component(self, name: str) -> None:
        """Start a component that is not running: same port, same data. Does not wait: see `wait_ready`."""
        self._command(do="start", component=name)

    def kill(self, name: str, signal: int = signals.SIGKILL) -> None:
        """Send a signal and wait for the end of the component. Nothing starts it again by itself.

        On SIGTERM the API server lets its clients finish, which takes a minute while one watches.
        """
        self._command(do="signal", component=name, signal=int(signal))
        deadline = time.monotonic() + _EXIT_TIMEOUT_S
        while self.status()[name]["exit"] is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} still runs {_EXIT_TIMEOUT_S:.0f} s after signal {int(signal)}")
            time.sleep(_POLL_S)

    def pause(self, name: str) -> None:
        """Freeze a component: its connections stay open and nothing answers."""
        self._command(do="signal", component=name, signal=int(signals.SIGSTOP))

    def resume(self, name: str) -> None:
        """Undo `pause`."""
        self._command(do="signal", component=name, signal=int(signals.SIGCONT))

    def restart(self, name: str, signal: int = signals.SIGKILL) -> None:
        """Kill a component, start it again, and wait until the API server is ready."""
        self.kill(name, signal)
        self.start_component(name)
        self.wait_ready()

    def wait_ready(self, timeout: float = _READY_TIMEOUT_S) -> None:
        """Return when the API server says so (which includes etcd). Raises StartError."""
        self._until(lambda: self.api.request("GET", "/readyz") == "ok", "the API server", timeout)

    def status(self) -> dict[str, dict[str, int | None]]:
        """Per component: `pid`, and `exit` once it ended (negative: by that signal)."""
        components_now: dict[str, dict[str, int | None]] = self._command(do="status")["components"]
        return components_now

    def stop(self) -> None:
        """Stop everything and remove all files. A second call does nothing."""
        if self._layout.state.exists():
            try:
                self._command(do="stop")
            except ConnectionError:  # gone already: killed with its owner, or by hand
                launch.remove(self._layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- inside ------------------------------------------------------------------------------------------

    def _command(self, **request: object) -> dict[str, Any]:
        return launch.ask(self._layout, request)

    def _until(self, done: Callable[[], bool], what: str, timeout: float = _READY_TIMEOUT_S) -> None:
        """Poll until `done()`; a refused connection or an error answer counts as not yet."""
        deadline = time.monotonic() + timeout
        reason = ""
        while time.monotonic() < deadline:
            try:
                if done():
                    return
            except (OSError, ApiError) as error:
                reason = f" ({error})"
            self._raise_if_ended()
            time.sleep(_POLL_S)
        raise StartError(f"{what} not ready after {timeout:.0f} s{reason}\n{self._tail('kube-apiserver')}")

    def _raise_if_ended(self) -> None:
        for name, now in self.status().items():
            if now["exit"] is not None:
                raise StartError(f"{name} ended with status {now['exit']}\n{self._tail(name)}")

    def _tail(self, component: str) -> str:
        path = self.log(component)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-_LOG_LINES_SHOWN:])

    def _controllers_ready(self) -> bool:
        return self._exists("/api/v1/namespaces/default/serviceaccounts/default")

    def _exists(self, path: str) -> bool:
        try:
            self.api.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _ready_nodes(self) -> int:
        nodes = self.api.request("GET", "/api/v1/nodes")["items"]
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for node in nodes
            for condition in node["status"].get("conditions", [])
        )
