"""The control plane breaks, and the hub goes on and recovers by itself.

Every test breaks something in its own way, lets people change things meanwhile, mends it, and asks the
same of the hub after: the same process, everything caught up with within a minute, nothing that should
not be, and then peace. `make faults N=10` repeats all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_proxy import Matches, Seen, everything, lists_and_watches
from controlplane import ControlPlane
from eventually import eventually
from far_end import FarEnd
from fault_stage import Stage, stage

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.faults,
    pytest.mark.timeout(420),
]

LONGER_THAN_ITS_PATIENCE = 70.0
"""Seconds. The feed's own retries last about a minute; after that its run ends and the next one begins."""


def integrations(seen: Seen) -> bool:
    return lists_and_watches("integrations")(seen)


def watches(seen: Seen) -> bool:
    return seen.watching


def writes(seen: Seen) -> bool:
    return seen.method != "GET"


@pytest.fixture
def on_stage(control_plane: ControlPlane, namespace: str, outside: FarEnd, tmp_path: Path) -> Iterator[Stage]:
    """A hub behind a proxy."""
    with stage(control_plane, namespace, outside, tmp_path) as made:
        yield made


# --------------------------------------------------------------------------- the stream


@pytest.mark.parametrize(
    ("code", "reason"), [(500, "InternalError"), (504, "Timeout")], ids=["internal-error", "timeout"]
)
def test_a_watch_ends_in_an_error_event(on_stage: Stage, code: int, reason: str) -> None:
    assert on_stage.proxy.send_watch_error(code, integrations, reason) == 1
    on_stage.life_goes_on()
    on_stage.recovers()
    assert on_stage.feed()["restarts"] == 1


def test_watches_end_in_error_events_again_and_again(on_stage: Stage) -> None:
    for _ in range(5):
        eventually(lambda: on_stage.proxy.open_watches("integrations") >= 1, "a watch is open", seconds=60)
        on_stage.proxy.send_watch_error(500)
    on_stage.life_goes_on()
    on_stage.recovers()


def test_the_watch_has_expired_and_objects_were_deleted_and_replaced_meanwhile(on_stage: Stage) -> None:
    """410 Gone: kopf lists anew and tells nothing of what is no longer there."""
    with on_stage.proxy.silent(integrations):
        on_stage.life_goes_on()
        on_stage.proxy.send_watch_error(410, integrations, "Expired")
    on_stage.recovers()


def test_connections_break_in_the_middle_of_an_event(on_stage: Stage) -> None:
    for _ in range(3):
        on_stage.proxy.cut_mid_line(watches)
        time.sleep(1)
    on_stage.life_goes_on()
    on_stage.recovers()


def test_connections_stay_open_and_bring_nothing(on_stage: Stage) -> None:
    """Half-open sockets, as after the loss of a node or a firewall's state."""
    with on_stage.proxy.silent(watches):
        on_stage.life_goes_on()
        eventually(on_stage.is_lost, "the silence is noticed", seconds=200)
    on_stage.recovers()


# --------------------------------------------------------------------------- answers


@pytest.mark.parametrize("which", [everything, integrations], ids=["on-everything", "on-one-kind"])
def test_the_api_server_answers_503_for_more_than_a_minute(on_stage: Stage, which: Matches) -> None:
    with on_stage.proxy.refusing(503, which):
        on_stage.life_goes_on()
        time.sleep(LONGER_THAN_ITS_PATIENCE)
        assert on_stage.is_lost()
        assert on_stage.feed()["lastKnownGoodAgeSeconds"] > LONGER_THAN_ITS_PATIENCE / 2
        assert on_stage.hub.page("/healthz")[0] == 200, "a hub that cannot help it is not restarted"
    on_stage.recovers()


def test_writes_are_refused_with_429_and_told_to_wait(on_stage: Stage) -> None:
    with on_stage.proxy.refusing(429, writes, Retry_After="3"):
        on_stage.life_goes_on()
        time.sleep(20)
    on_stage.recovers()


def test_credentials_are_refused_for_a_while(on_stage: Stage) -> None:
    with on_stage.proxy.refusing(401):
        on_stage.life_goes_on()
        eventually(on_stage.is_lost, "the loss is noticed", seconds=60)
        time.sleep(5)
    on_stage.recovers()


def test_a_right_is_taken_away_and_given_back(on_stage: Stage) -> None:
    """Real RBAC: the bindings of the hub are deleted and come back. What is open then stays open, so it is
    cut off to have the hub ask anew.
    """
    plane, namespace = on_stage.plane, on_stage.namespace
    kept = plane.kubectl("get", "rolebindings", "-n", namespace, "-o", "yaml").stdout
    plane.kubectl("delete", "rolebindings", "--all", "-n", namespace)
    on_stage.proxy.end_watches()
    on_stage.life_goes_on()
    eventually(
        lambda: on_stage.feed()["restarts"] >= 1,
        "a run of the feed ends for it",
        seconds=LONGER_THAN_ITS_PATIENCE * 2,
    )
    assert on_stage.is_lost()
    plane.kubectl("apply", "--filename", "-", input=kept)
    on_stage.recovers()


# --------------------------------------------------------------------------- processes


@pytest.fixture
def own_plane(outside: FarEnd, tmp_path: Path) -> Iterator[Stage]:
    """A hub on a control plane that this test alone may break."""
    with ControlPlane.start() as plane:
        plane.create_namespace("shaken")
        with stage(plane, "shaken", outside, tmp_path, proxied=False) as made:
            yield made


def _killed(plane: ControlPlane, component: str, seconds: float) -> None:
    plane.kill(component)
    time.sleep(seconds)
    plane.start_component(component)
    plane.wait_ready()


@pytest.mark.parametrize(
    ("component", "seconds"),
    [("kube-apiserver", 1), ("kube-apiserver", 40), ("etcd", 1), ("etcd", 30)],
    ids=["api-server-restarts", "api-server-is-down", "etcd-restarts", "etcd-is-down"],
)
def test_a_component_is_killed_and_comes_back(own_plane: Stage, component: str, seconds: float) -> None:
    _killed(own_plane.plane, component, seconds)
    own_plane.life_goes_on()
    own_plane.recovers()


@pytest.mark.parametrize("component", ["kube-apiserver", "etcd"])
def test_a_component_is_frozen_for_a_while(own_plane: Stage, component: str) -> None:
    own_plane.plane.pause(component)
    time.sleep(30)
    own_plane.plane.resume(component)
    own_plane.plane.wait_ready()
    own_plane.life_goes_on()
    own_plane.recovers()


def test_objects_change_while_the_hub_alone_cannot_reach_the_api_server(
    on_stage: Stage,
) -> None:
    with on_stage.proxy.silent(everything):
        on_stage.life_goes_on()
        time.sleep(25)  # longer than its Lease: it does not lead any more
        eventually(lambda: on_stage.hub.metric("integration_hub_leader") == 0, "it steps down", seconds=30)
    on_stage.recovers()
