"""The fixtures: one control plane per run, however many workers, and none after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import control_plane_fixture
import controlplane

SUITE = """
import pathlib, time
import pytest

@pytest.mark.parametrize("number", range(4))
def test_use(control_plane, namespace, number, worker_id):
    out = pathlib.Path(__file__).with_name("seen")
    with out.open("a") as handle:
        handle.write(f"{worker_id} {control_plane.state_dir} {namespace}\\n")
    time.sleep(SLEEP)
"""


def start_run(folder: Path, sleep: float, **variables: str) -> subprocess.Popen[str]:
    """A pytest run with two workers over four tests that use the fixtures."""
    (folder / "test_suite.py").write_text(SUITE.replace("SLEEP", str(sleep)))
    (folder / "pytest.ini").write_text("[pytest]\n")
    paths = [str(Path(module.__file__ or "").parent) for module in (control_plane_fixture,)]
    paths.append(str(Path(controlplane.__file__ or "").parents[1]))
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "INTEGRATION_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "control_plane_fixture", "-n", "2", "test_suite.py"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": os.pathsep.join(paths), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def seen(folder: Path) -> list[list[str]]:
    path = folder / "seen"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_until_gone(path: Path) -> None:
    while path.exists():  # the test's own timeout is the only limit
        time.sleep(0.05)


def test_all_workers_of_a_run_share_one_control_plane_that_ends_with_the_run(tmp_path: Path) -> None:
    run = start_run(tmp_path, sleep=0.5)
    output, _ = run.communicate()
    assert run.returncode == 0, output
    workers, planes, namespaces = (set(column) for column in zip(*seen(tmp_path), strict=True))
    assert workers == {"gw0", "gw1"}
    assert len(planes) == 1
    assert len(namespaces) == 4
    wait_until_gone(Path(planes.pop()))


def test_a_run_that_is_killed_leaves_no_control_plane(tmp_path: Path) -> None:
    with start_run(tmp_path, sleep=600) as run:
        while not seen(tmp_path):
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.05)
        plane = Path(seen(tmp_path)[0][1])
        assert plane.exists()
        run.send_signal(signal.SIGKILL)
    wait_until_gone(plane)


def test_a_running_control_plane_can_be_reused_and_stays(tmp_path: Path) -> None:
    with controlplane.ControlPlane.start(tmp_path / "cp") as mine:
        run = start_run(tmp_path, sleep=0, **{control_plane_fixture.REUSE: str(mine.state_dir)})
        output, _ = run.communicate()
        assert run.returncode == 0, output
        assert {plane for _, plane, _ in seen(tmp_path)} == {str(mine.state_dir)}
        mine.wait_ready()


@pytest.mark.parametrize("variables", [{"PATH": "/nowhere"}], ids=["no Go, no download, empty cache"])
def test_tests_fail_where_the_programs_cannot_be_had(tmp_path: Path, variables: dict[str, str]) -> None:
    nowhere = "http://127.0.0.1:9"
    run = start_run(
        tmp_path, 0, XDG_CACHE_HOME=str(tmp_path), HTTPS_PROXY=nowhere, https_proxy=nowhere, **variables
    )
    output, _ = run.communicate()
    assert run.returncode == 1, output
    assert "4 errors" in output
    assert "install Go 1.26 or newer" in output
