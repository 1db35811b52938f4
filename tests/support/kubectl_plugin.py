"""`kubectl hub` as a shell would run it: a plugin that kubectl finds on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from controlplane import ControlPlane, binaries

SCRIPTS = Path(sys.executable).parent


def kubectl_hub(
    plane: ControlPlane, *arguments: str, kubeconfig: Path | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """`kubectl hub …` as a shell would run it; kubectl finds the plugin on the PATH."""
    kubectl = binaries.locate(["kubectl"])["kubectl"]
    path = os.pathsep.join([str(SCRIPTS), str(kubectl.parent), os.environ["PATH"]])
    ran = subprocess.run(
        [str(kubectl), "hub", *arguments],
        env={**os.environ, "PATH": path, "KUBECONFIG": str(kubeconfig or plane.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == status, f"{ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran
