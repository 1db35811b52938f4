"""`make demo` from start to end: a real control plane, a third-party server, a product broken and healed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "tools" / "demo")]


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """No wish of the person who runs the tests, and folders of the test's own."""
    (tmp_path / "tmp").mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("KEEP", "STOP", "CONTEXT")}
    return {**kept, "TMPDIR": str(tmp_path / "tmp"), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.mark.timeout(600)
@pytest.mark.req(
    "PLT-04",
    "PLT-05",
    "PLT-06",
    "PLT-07",
    "PLT-08",
    "INT-35",
    "INT-36",
    "PRD-10",
    "HEAL-01",
    "HEAL-10",
    "EXE-01",
    "EXE-03",
)
def test_the_demo_tells_its_whole_story_and_leaves_nothing(environment: Mapping[str, str]) -> None:
    played = subprocess.run(
        DEMO, env=dict(environment), capture_output=True, text=True, timeout=580, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
    story = iter(played.stdout.splitlines())
    for expected in (
        "InvalidCredentials",
        "refused the credentials (HTTP 401)",
        "integration.integrationhub.io/payments condition met",
        "kubectl create token storefront",
        '"email": "ada@example.com"',
        "POST /v1/customers",
        "unhealthy",
        "kubelet stand-in",
        "Healthy again",
        "HealSucceeded",
        "ACTIVE   True    Succeeded",
        "nothing is left",
    ):
        assert any(expected in line for line in story), (
            f"{expected!r} is missing or late in:\n{played.stdout}"
        )
    assert "\x1b" not in played.stdout
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


@pytest.mark.timeout(300)
def test_ctrl_c_ends_the_demo_cleanly(environment: Mapping[str, str]) -> None:
    with subprocess.Popen(DEMO, env=dict(environment), stdout=subprocess.PIPE, text=True) as playing:
        assert playing.stdout is not None
        for line in playing.stdout:
            if "control plane" in line and "kwok" in line:
                playing.send_signal(signal.SIGINT)
                break
        rest = playing.stdout.read()
        assert playing.wait(120) == 130
    assert "Stopped by you" in rest
    assert "nothing is left" in rest
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
