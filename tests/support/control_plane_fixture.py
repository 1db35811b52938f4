"""The control plane as pytest fixtures: one per test run, a namespace per test.

A plugin: `tests/conftest.py` loads it.

All workers of one pytest-xdist run share a control plane. The first that needs it starts it, under a file
lock, and makes the run's own process its owner: it ends with the run, however that ends. With the variable
INTEGRATION_HUB_TEST_CONTROLPLANE (see `python tools/controlplane env`) a running one is used and left alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import BinariesMissingError, ControlPlane, locate
from controlplane.gobuild import BuildError

REUSE = "INTEGRATION_HUB_TEST_CONTROLPLANE"
KWOK_NODES = 3


@pytest.hookimpl
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the first test, whose timeout a build would not fit into.

    A failure is not reported here: the fixture meets it again and fails the tests that need it.
    """
    if os.environ.get(REUSE) or not any(
        "control_plane" in getattr(item, "fixturenames", ()) for item in session.items
    ):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            locate()
        except (BinariesMissingError, BuildError):
            return


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The run's control plane, with three kwok nodes and an audit log. Fails where it cannot be had."""
    if reuse := os.environ.get(REUSE):
        yield ControlPlane.attach(Path(reuse))
        return
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with ControlPlane.start(kwok_nodes=KWOK_NODES, audit=True) as plane:
            yield plane
        return
    yield shared(tmp_path_factory.getbasetemp().parent, owner=os.getppid())


def shared(run_folder: Path, owner: int) -> ControlPlane:
    """The control plane of everybody who names the same folder; started by the first, ended with `owner`."""
    marker = run_folder / "control-plane"
    with (run_folder / "control-plane.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists():
            return ControlPlane.attach(Path(marker.read_text()))
        plane = ControlPlane.start(kwok_nodes=KWOK_NODES, audit=True, owner=owner)
        marker.write_text(str(plane.state_dir))
        return plane


@pytest.fixture
def namespace(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, named after the test; deleted in the background afterwards."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.originalname.lower()).strip("-")
    unique = f"{name.removeprefix('test-')[:40].strip('-')}-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(unique)
    yield unique
    control_plane.delete_namespace(unique)
