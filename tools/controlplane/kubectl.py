"""Runs kubectl as somebody, against nothing but the given cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class KubectlError(subprocess.CalledProcessError):
    """kubectl ended with an error; the message carries what it said."""

    def __str__(self) -> str:
        command = " ".join(self.cmd[1:])
        return f"kubectl {command}: exit {self.returncode}: {str(self.stderr).strip()}"


def run(
    program: Path,
    kubeconfig: Path,
    arguments: tuple[str, ...],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Run kubectl and capture both outputs. Raises KubectlError if `check` and it failed."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache"),
        "KUBERC": "off",
    }
    done = subprocess.run(
        [str(program), *arguments],
        env=environment,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise KubectlError(done.returncode, done.args, done.stdout, done.stderr)
    return done
