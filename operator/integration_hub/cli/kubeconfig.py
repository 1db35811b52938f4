"""Kubeconfig files as kubectl reads them: which API server, and how to prove oneself to it.

A reader of our own, since the Kubernetes library takes longer to import than a command may take. It knows
what clusters hand out: several files in KUBECONFIG, tokens, token files, client certificates, exec plugins,
and the ServiceAccount of a pod.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration_hub.cli.exits import CliError, Exit

Json = Any
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXEC_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Identity:
    """What a caller proves themselves with; empty parts are absent. Never shown."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """An API server as a context names it. `authority` is PEM; empty: the system's."""

    server: str
    namespace: str
    authority: bytes = b""
    server_name: str = ""
    insecure: bool = False
    proxy: str = ""
    user: Mapping[str, Json] = field(default_factory=dict, repr=False)
    folder: Path = Path()
    context: str = ""

    def identity(self) -> Identity:
        """Read what the user's entry names; runs its exec plugin, if it has one. Raises CliError."""
        user = self.user
        if "exec" in user:
            return _run_plugin(user["exec"], self)
        if "auth-provider" in user:
            raise CliError(
                "kubeconfig: Kubernetes no longer knows auth-provider; use an exec plugin", Exit.DENIED
            )
        token = str(user.get("token") or "")
        if not token and user.get("tokenFile"):
            token = _read(self.folder / user["tokenFile"]).decode().strip()
        return Identity(
            token=token,
            certificate=_data(user, "client-certificate", self.folder),
            key=_data(user, "client-key", self.folder),
            username=str(user.get("username") or ""),
            password=str(user.get("password") or ""),
        )


def load(kubeconfig: str = "", context: str = "", environ: Mapping[str, str] = os.environ) -> Target:
    """The API server of this context, by default the current one. Raises CliError."""
    files = _files(kubeconfig, environ)
    documents = [(path.parent, _parse(path)) for path in files if path.is_file()]
    if not documents:
        if kubeconfig:
            raise CliError(f"kubeconfig {kubeconfig} does not exist", Exit.USAGE)
        return _of_pod(environ)
    chosen = context or next((d["current-context"] for _, d in documents if d.get("current-context")), "")
    if not chosen:
        raise CliError("kubeconfig has no current context: name one with --context", Exit.USAGE)
    _, ctx = _entry(documents, "contexts", "context", chosen)
    folder, cluster = _entry(documents, "clusters", "cluster", str(ctx.get("cluster", "")))
    user_folder, user = (
        _entry(documents, "users", "user", str(ctx["user"])) if ctx.get("user") else (folder, {})
    )
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise CliError(f"kubeconfig: the cluster of context {chosen} has no server", Exit.USAGE)
    return Target(
        server=server,
        namespace=str(ctx.get("namespace") or "default"),
        authority=_data(cluster, "certificate-authority", folder),
        server_name=str(cluster.get("tls-server-name") or ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy=str(cluster.get("proxy-url") or ""),
        user=user,
        folder=user_folder,
        context=chosen,
    )


def contexts(kubeconfig: str = "", environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of all contexts, for completion; empty where nothing can be read."""
    try:
        found = [_parse(path) for path in _files(kubeconfig, environ) if path.is_file()]
    except CliError:
        return []
    return sorted({str(each["name"]) for document in found for each in document.get("contexts") or ()})


# --------------------------------------------------------------------------- inside


def _files(kubeconfig: str, environ: Mapping[str, str]) -> list[Path]:
    if kubeconfig:
        return [Path(kubeconfig).expanduser()]
    listed = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"]


def _parse(path: Path) -> dict[str, Json]:
    import yaml  # noqa: PLC0415 - not needed by --help

    try:
        loaded = yaml.load(_read(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe ones
    except yaml.YAMLError as error:
        raise CliError(f"kubeconfig {path} is no YAML: {str(error).splitlines()[0]}", Exit.USAGE) from None
    if not isinstance(loaded, dict):
        raise CliError(f"kubeconfig {path} is no kubeconfig", Exit.USAGE)
    return loaded


def _entry(
    documents: Sequence[tuple[Path, Mapping[str, Json]]], plural: str, singular: str, name: str
) -> tuple[Path, Mapping[str, Json]]:
    """An entry by its name, from the first file that has one, with that file's folder."""
    for folder, document in documents:
        for each in document.get(plural) or ():
            if each.get("name") == name:
                return folder, each.get(singular) or {}
    raise CliError(f"kubeconfig has no {singular} {name!r}", Exit.USAGE)


def _data(entry: Mapping[str, Json], name: str, folder: Path) -> bytes:
    """`<name>-data` decoded, else the file that `<name>` names, else nothing."""
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode(entry[f"{name}-data"], validate=True)
        except ValueError:
            raise CliError(f"kubeconfig: {name}-data is no base64", Exit.USAGE) from None
    return _read(folder / entry[name]) if entry.get(name) else b""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}", Exit.USAGE) from None


def _of_pod(environ: Mapping[str, str]) -> Target:
    """The API server as a pod's ServiceAccount reaches it."""
    host, token = environ.get("KUBERNETES_SERVICE_HOST"), SERVICE_ACCOUNT / "token"
    if not host or not token.is_file():
        raise CliError(
            "no kubeconfig found: set KUBECONFIG, name one with --kubeconfig, or run inside a pod", Exit.USAGE
        )
    namespace = SERVICE_ACCOUNT / "namespace"
    bracketed = f"[{host}]" if ":" in host else host
    return Target(
        server=f"https://{bracketed}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        authority=_read(SERVICE_ACCOUNT / "ca.crt"),
        user={"tokenFile": str(token)},
    )


def _run_plugin(config: Mapping[str, Json], target: Target) -> Identity:
    """client-go's exec credential plugin protocol (client.authentication.k8s.io)."""
    version = config.get("apiVersion")
    if version not in _EXEC_VERSIONS:
        raise CliError(f"kubeconfig: exec plugins of {version} are not supported", Exit.DENIED)
    interactive = config.get("interactiveMode", "IfAvailable") != "Never" and sys.stdin.isatty()
    spec: dict[str, Json] = {"interactive": interactive}
    if config.get("provideClusterInfo"):
        spec["cluster"] = {
            "server": target.server,
            "certificate-authority-data": base64.b64encode(target.authority).decode(),
            "insecure-skip-tls-verify": target.insecure,
        }
    info = {"kind": "ExecCredential", "apiVersion": version, "spec": spec}
    further = {str(each["name"]): str(each["value"]) for each in config.get("env") or ()}
    command = str(config.get("command") or "")
    if os.sep in command:
        command = str(target.folder / command)
    try:
        ran = subprocess.run(
            [command, *(str(each) for each in config.get("args") or ())],
            env={**os.environ, **further, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=None if interactive else _EXEC_SECONDS,
            check=True,
        )
        status = json.loads(ran.stdout)["status"]
    except FileNotFoundError:
        hint = str(config.get("installHint") or "install it, or choose another context")
        raise CliError(f"the credential plugin {command} is not installed: {hint}", Exit.DENIED) from None
    except subprocess.CalledProcessError as error:
        raise CliError(
            f"the credential plugin {command} ended with status {error.returncode}", Exit.DENIED
        ) from None
    except subprocess.TimeoutExpired:
        raise CliError(
            f"the credential plugin {command} took longer than {_EXEC_SECONDS} s", Exit.DENIED
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise CliError(f"the credential plugin {command} gave no ExecCredential", Exit.DENIED) from None
    return Identity(
        token=str(status.get("token") or ""),
        certificate=str(status.get("clientCertificateData") or "").encode(),
        key=str(status.get("clientKeyData") or "").encode(),
    )
