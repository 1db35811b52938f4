"""Writes kubeconfig files that carry everything they need: address, authority, token."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path


def write(
    path: Path, *, server: str, ca_path: Path, token: str, user: str = "admin", namespace: str = "default"
) -> Path:
    """Write a kubeconfig (JSON, which is YAML) readable by its owner alone, and return its path."""
    name = "integration-hub"
    authority = base64.b64encode(ca_path.read_bytes()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": namespace}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # mode 0600
        file.write(json.dumps(document, indent=2) + "\n")
    return Path(file.name).replace(path)  # whole for whoever reads it meanwhile
