"""The cluster that the demo plays on, as kubectl sees it: our own control plane, or one the user has."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from demo.processes import DemoError

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "manifests" / "base"
HUB_NAMESPACE = "integration-hub"
HUB_ACCOUNT = "integration-hub"
NAMESPACE = "shop"
_TIMEOUT_S = 120.0


class Cluster:
    """kubectl with one kubeconfig, whose namespace is the team's, run in the folder with the demo's files."""

    def __init__(self, kubectl: Path, kubeconfig: Path, folder: Path) -> None:
        self.kubectl = kubectl
        self.kubeconfig = kubeconfig
        self._folder = folder
        self.hub = ""
        """Where the hub's HTTP API is, once it runs."""

    @classmethod
    def connect(cls, kubectl: Path, source: Path | None, context: str | None, folder: Path) -> Cluster:
        """Copy one context of a kubeconfig into a file of the demo's. No `source`: the user's own."""
        environment = {**os.environ, **({"KUBECONFIG": str(source)} if source else {})}
        chosen = ["--context", context] if context else []
        done = _run(
            [kubectl, "config", "view", "--raw", "--minify", "--flatten", "--output", "json", *chosen],
            environment,
            folder,
        )
        if done.returncode:
            raise DemoError(f"no such context: {done.stderr.strip()}")
        document = json.loads(done.stdout)
        document["contexts"][0]["context"]["namespace"] = NAMESPACE
        kubeconfig = folder.parent / "kubeconfig"
        _write_private(kubeconfig, document)
        return cls(kubectl, kubeconfig, folder)

    @property
    def environment(self) -> dict[str, str]:
        """For a program that is to use this cluster and no other."""
        cache = str(self.kubeconfig.parent / "kubectl-cache")
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": cache,
            "KUBERC": "off",
            "PATH": programs,  # where kubectl finds its plugin `hub`
            "INTEGRATION_HUB_SERVER": self.hub,
        }

    def run(self, line: str, *, input: str | None = None) -> str:  # noqa: A002 - subprocess's own name
        """Run a kubectl command as a person would type it and return what it printed. Raises DemoError."""
        done = self.attempt(line, input=input)
        if done.returncode:
            raise DemoError(f"{line}\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def attempt(self, line: str, *, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """The same, but a failure is an answer."""
        words = shlex.split(line)
        return _run([self.kubectl, *words[1:]], self.environment, self._folder, input=input)

    def watch(self, line: str) -> subprocess.Popen[str]:
        """Start a kubectl command that goes on; the caller ends it."""
        return subprocess.Popen(
            [self.kubectl, *shlex.split(line)[1:]],
            env=self.environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, what: str) -> dict[str, Any]:
        """One object."""
        found: dict[str, Any] = json.loads(self.run(f"kubectl get {what} --output json"))
        return found

    def refuse_if_in_use(self) -> None:
        """Raise DemoError if the hub or a namespace of the demo's name is there: they are somebody's."""
        for what in (
            "crd/integrations.integrationhub.io",
            f"namespace/{HUB_NAMESPACE}",
            f"namespace/{NAMESPACE}",
        ):
            if self.attempt(f"kubectl get {what} --output name").returncode == 0:
                raise DemoError(
                    f"{what} exists in this cluster. The demo brings its own and removes it afterwards, so "
                    "it does not touch yours: use another cluster, or `make demo` without CONTEXT."
                )

    def install_hub(self) -> None:
        """Apply the hub's CRDs, ServiceAccount, RBAC and admission policy. Raises DemoError.

        Not its Deployment: the operator runs on this machine, where it can reach the demo's processes.
        """
        objects = yaml.safe_dump_all(self._hub_objects())
        self.run("kubectl apply --server-side --filename -", input=objects)
        self.run(
            "kubectl wait --for=condition=Established --timeout=60s --filename " + str(BASE / "crds.yaml")
        )

    def remove_everything(self) -> None:
        """Delete what the demo made in a cluster that goes on; objects of ours first, while the hub runs."""
        self.attempt(f"kubectl delete namespace {NAMESPACE} --ignore-not-found --timeout=60s")
        rest = yaml.safe_dump_all(self._hub_objects())
        self.attempt("kubectl delete --ignore-not-found --timeout=60s --filename -", input=rest)

    def hub_kubeconfig(self) -> Path:
        """A kubeconfig of the hub's own ServiceAccount, so that the chart's RBAC applies to the operator."""
        token = self.run(
            f"kubectl --namespace {HUB_NAMESPACE} create token {HUB_ACCOUNT} --duration 24h"
        ).strip()
        document = json.loads(self.kubeconfig.read_text())
        document["users"] = [{"name": HUB_ACCOUNT, "user": {"token": token}}]
        document["contexts"][0]["context"] |= {"user": HUB_ACCOUNT, "namespace": HUB_NAMESPACE}
        path = self.kubeconfig.with_name("hub.kubeconfig")
        _write_private(path, document)
        return path

    def _hub_objects(self) -> list[dict[str, Any]]:
        rendered = self.run(f"kubectl kustomize {shlex.quote(str(BASE))}")
        objects = [document for document in yaml.safe_load_all(rendered) if document]
        return [document for document in objects if document["kind"] != "Deployment"]


def _run(
    command: list[Any],
    environment: dict[str, str],
    folder: Path,
    *,
    input: str | None = None,  # noqa: A002 - subprocess's own name
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env=environment,
        cwd=folder,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _write_private(path: Path, document: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=2) + "\n")
