"""Writes everything a control plane needs and starts its supervisor."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controlplane import components, kubeconfig, supervisor
from controlplane.certificates import write_pki

_ANSWER_TIMEOUT_S = 60.0
_SOCKET_PATH_LIMIT = 100  # the least of all systems, less a margin
_LONGEST_SOCKET_NAME = len("/cp-12345678/commands")


def launch(
    state_dir: Path | None, programs: Mapping[str, Path], owner: int | None, *, audit: bool
) -> tuple[components.Layout, dict[str, Any]]:
    """Start a supervisor for these programs, none of which runs yet; return where things are.

    Raises FileExistsError if a control plane is in `state_dir` already. Leaves nothing when it raises.
    """
    layout = _make_layout(state_dir)
    try:
        return layout, _launch(layout, programs, owner, audit=audit)
    except BaseException:
        remove(layout)
        raise


def read(state_dir: Path) -> tuple[components.Layout, dict[str, Any]]:
    """Read what `launch` wrote into `state_dir`. Raises FileNotFoundError where it wrote nothing."""
    state: dict[str, Any] = json.loads((state_dir / "state.json").read_text())
    return components.Layout(state_dir.resolve(), Path(state["run"])), state


def ask(layout: components.Layout, request: dict[str, object]) -> dict[str, Any]:
    """Send the supervisor one command and return its answer.

    Raises ConnectionError if it is gone, RuntimeError if it says that the command failed.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_TIMEOUT_S)
        try:
            connection.connect(str(layout.run / "commands"))
        except FileNotFoundError as error:
            raise ConnectionError(f"no control plane runs in {layout.root}") from error
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            line = stream.readline()
    if not line:
        raise ConnectionError(f"the control plane in {layout.root} ended")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise RuntimeError(f"{request}: {answer['error']}")
    return answer


def remove(layout: components.Layout) -> None:
    """Remove all files of a control plane whose supervisor is gone."""
    supervisor.remove([str(path) for path in layout.contents], str(layout.root))


def _make_layout(state_dir: Path | None) -> components.Layout:
    """Make the folders, readable by nobody else."""
    if state_dir is None:
        root = Path(tempfile.mkdtemp(prefix="controlplane-")).resolve()
    else:
        root = state_dir.resolve()
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clear(root)
    fits = len(tempfile.gettempdir()) + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_LIMIT
    run = Path(tempfile.mkdtemp(prefix="cp-", dir=None if fits else "/tmp"))
    layout = components.Layout(root, run)
    layout.logs.mkdir(exist_ok=True)
    return layout


def _clear(root: Path) -> None:
    """Remove what a dead control plane left in `root`. Raises FileExistsError if it is alive."""
    try:
        layout, _ = read(root)
    except FileNotFoundError:
        return
    try:
        ask(layout, {"do": "status"})
    except ConnectionError:
        remove(layout)
        root.mkdir(exist_ok=True, mode=0o700)
    else:
        raise FileExistsError(f"a control plane runs in {root}: stop it first")


def _launch(
    layout: components.Layout, programs: Mapping[str, Path], owner: int | None, *, audit: bool
) -> dict[str, Any]:
    with socket.socket(socket.AF_INET) as reserved, socket.socket(socket.AF_UNIX) as listener:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((components.HOST, 0))
        port: int = reserved.getsockname()[1]
        listener.bind(str(layout.run / "commands"))
        listener.listen()
        tokens = _write_credentials(layout, f"https://{components.HOST}:{port}")
        spec = {
            "components": components.commands(layout, programs, port, audit=audit),
            "logs": str(layout.logs),
            "listener": listener.fileno(),
            "owner": owner,
            "root": str(layout.root),
            "contents": [str(path) for path in layout.contents],
        }
        spec_path = layout.pki / "supervisor.json"
        spec_path.write_text(json.dumps(spec))
        with (layout.logs / "supervisor.log").open("ab") as log:
            subprocess.run(  # returns at once: the supervisor goes into the background by itself
                [sys.executable, "-I", str(supervisor.__file__), str(spec_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(), reserved.fileno()),
                check=True,
                start_new_session=True,  # a Ctrl-C in our terminal is not meant for it
            )
    state = {
        "port": port,
        "programs": {name: str(path) for name, path in programs.items()},
        "admin_token": tokens["admin"],
        "run": str(layout.run),
    }
    layout.state.touch(mode=0o600)
    layout.state.write_text(json.dumps(state))
    return state


def _write_credentials(layout: components.Layout, server: str) -> dict[str, str]:
    """Write certificates, tokens, kubeconfigs and the audit policy; return the users' tokens."""
    write_pki(layout.pki, (components.HOST, components.SERVICE_ADDRESS))
    tokens = {user: secrets.token_urlsafe(24) for user in components.USERS}
    token_file = layout.pki / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text(
        "".join(f'{tokens[user]},{user},{user},"{groups}"\n' for user, groups in components.USERS.items())
    )
    (layout.pki / "audit-policy.json").write_text(components.audit_policy())
    ca_path = layout.pki / "ca.crt"
    for user, token in tokens.items():
        path = layout.component_kubeconfig(user)
        kubeconfig.write(path, server=server, ca_path=ca_path, token=token, user=user)
    kubeconfig.write(layout.kubeconfig, server=server, ca_path=ca_path, token=tokens["admin"])
    return tokens
