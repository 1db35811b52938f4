"""Kubeconfig files as kubectl reads them."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_hub.cli import kubeconfig
from integration_hub.cli.exits import CliError, Exit


def written(folder: Path, name: str = "config", **changes: Any) -> Path:
    document: dict[str, Any] = {
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example.com:6443/"}}],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
        **changes,
    }
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return path


def user(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "u", "user": entry}]


def plugin(folder: Path, script: str) -> Path:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def execing(command: str, **more: Any) -> list[dict[str, Any]]:
    version = "client.authentication.k8s.io/v1"
    return user({"exec": {"apiVersion": version, "command": command, "interactiveMode": "Never", **more}})


def test_the_current_context_names_server_namespace_and_token(tmp_path: Path) -> None:
    target = kubeconfig.load(str(written(tmp_path)))
    assert (target.server, target.namespace) == ("https://api.example.com:6443", "team-a")
    assert target.identity().token == "t0ken"


def test_several_files_are_one_and_the_first_that_names_a_thing_wins(tmp_path: Path) -> None:
    first = written(tmp_path, "first", users=[])
    second = written(tmp_path, "second", users=user({"token": "second"}), clusters=[])
    joined = {"KUBECONFIG": f"{first}{os.pathsep}{tmp_path / 'missing'}{os.pathsep}{second}"}
    target = kubeconfig.load(environ=joined)
    assert target.server == "https://api.example.com:6443"
    assert target.identity().token == "second"


def test_files_are_looked_for_beside_the_kubeconfig_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "me.token").write_text("from a file\n")
    clusters = [
        {
            "name": "c",
            "cluster": {"server": "https://a", "certificate-authority": "ca.crt", "tls-server-name": "b"},
        }
    ]
    path = written(tmp_path, clusters=clusters, users=user({"tokenFile": "me.token"}))
    target = kubeconfig.load(str(path))
    assert (target.authority, target.server_name) == (b"CA", "b")
    assert target.identity().token == "from a file"


def test_a_client_certificate_in_the_file_is_decoded(tmp_path: Path) -> None:
    data = {
        "client-certificate-data": base64.b64encode(b"CERT").decode(),
        "client-key-data": base64.b64encode(b"KEY").decode(),
    }
    identity = kubeconfig.load(str(written(tmp_path, users=user(data)))).identity()
    assert (identity.certificate, identity.key) == (b"CERT", b"KEY")


def test_an_exec_plugin_is_asked_with_its_arguments_and_environment(tmp_path: Path) -> None:
    script = 'echo "{\\"status\\": {\\"token\\": \\"$1-$REGION\\"}}"'
    path = plugin(tmp_path, script)
    users = execing(str(path), args=["for"], env=[{"name": "REGION", "value": "eu"}])
    assert kubeconfig.load(str(written(tmp_path, users=users))).identity().token == "for-eu"


def test_an_exec_plugin_is_told_what_kubectl_would_tell_it(tmp_path: Path) -> None:
    path = plugin(tmp_path, f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; echo "{{\\"status\\": {{}}}}"')
    kubeconfig.load(str(written(tmp_path, users=execing(str(path), provideClusterInfo=True)))).identity()
    told = yaml.safe_load((tmp_path / "info").read_text())
    assert told["kind"] == "ExecCredential"
    assert told["spec"]["cluster"]["server"] == "https://api.example.com:6443"
    assert told["spec"]["interactive"] is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current-context": ""}, "no current context"),
        ({"current-context": "other"}, "no context 'other'"),
        ({"clusters": []}, "no cluster 'c'"),
        ({"clusters": [{"name": "c", "cluster": {}}]}, "has no server"),
        ({"users": execing("surely-not-installed", installHint="get it here")}, "get it here"),
        ({"users": execing("false")}, "ended with status 1"),
        ({"users": execing("echo", args=["hello"])}, "gave no ExecCredential"),
        ({"users": user({"client-certificate-data": "%%%"})}, "no base64"),
        ({"users": user({"tokenFile": "missing"})}, "cannot read"),
        ({"users": user({"auth-provider": {"name": "gcp"}})}, "auth-provider"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_in_one_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CliError, match=message) as raised:
        kubeconfig.load(str(written(tmp_path, **changes))).identity()
    assert "\n" not in str(raised.value)


def test_without_any_file_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="--kubeconfig") as raised:
        kubeconfig.load(environ={"HOME": str(tmp_path)})
    assert raised.value.exit_status is Exit.USAGE


def test_in_a_pod_its_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "pod-token"), ("namespace", "team-b"), ("ca.crt", "CA")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    pod = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    target = kubeconfig.load(environ=pod)
    assert (target.server, target.namespace) == ("https://[fd00::1]:443", "team-b")
    assert target.identity().token == "pod-token"


def test_secrets_of_a_kubeconfig_do_not_show(tmp_path: Path) -> None:
    target = kubeconfig.load(str(written(tmp_path)))
    assert "t0ken" not in f"{target!r}{target.identity()!r}"
