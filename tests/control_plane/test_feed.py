"""The feed against a real API server, through a proxy that makes it misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hub_chart
from api_proxy import ApiProxy, lists_and_watches
from controlplane import ControlPlane
from integration_hub.adapters.clock import SystemClock, SystemEntropy
from integration_hub.adapters.kubernetes import FeedLogin
from integration_hub.handlers.feed import Feed
from integration_hub.ports import Key, Resource
from integration_hub.runtime.cache import Change, ObjectCache, Verb

pytestmark = pytest.mark.control_plane

GROUP = "integrationhub.io"
INTEGRATIONS = Resource(GROUP, "v1alpha1", "integrations", "Integration")
PROVIDERS = Resource(
    GROUP, "v1alpha1", "clusterintegrationproviders", "ClusterIntegrationProvider", namespaced=False
)
UNKNOWN = Resource(GROUP, "v1alpha1", "unknownkinds", "UnknownKind")
PATIENCE = 20.0


async def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


class Rig:
    """A feed of its own, seen from its cache; and the hand that changes objects on the API server."""

    def __init__(self, plane: ControlPlane, namespace: str, feed: Feed, cache: ObjectCache) -> None:
        self.plane = plane
        self.namespace = namespace
        self.feed = feed
        self.cache = cache
        self.listings = 0
        self.changes: list[Change] = []
        cache.subscribe(self.changes.append)

    @property
    def _path(self) -> str:
        return f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/integrations"

    def key(self, name: str) -> Key:
        return Key("Integration", self.namespace, name)

    def create(self, name: str, **spec: Any) -> Any:
        body = {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "Integration",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"providerRef": {"name": "slack"}, **spec},
        }
        return self.plane.api.request("POST", self._path, body)

    def delete(self, name: str) -> None:
        self.plane.api.request("DELETE", f"{self._path}/{name}")

    async def has(self, name: str, seconds: float = PATIENCE) -> None:
        await until(lambda: self.cache.get(self.key(name)) is not None, f"{name} in the cache", seconds)

    async def has_not(self, name: str, seconds: float = PATIENCE) -> None:
        await until(lambda: self.cache.get(self.key(name)) is None, f"{name} out of the cache", seconds)

    async def alive(self, seconds: float = PATIENCE) -> None:
        await until(lambda: self.feed.state().alive, "the feed alive", seconds)


@contextlib.asynccontextmanager
async def running(
    plane: ControlPlane,
    namespace: str,
    kubeconfig: Path,
    *,
    resources: tuple[Resource, ...] = (INTEGRATIONS, PROVIDERS),
    **options: Any,
) -> AsyncIterator[Rig]:
    clock = SystemClock()
    cache = ObjectCache()
    login = await FeedLogin.open(clock, kubeconfig=kubeconfig)

    def listed() -> None:
        rig.listings += 1

    quick: dict[str, Any] = {"backoff_seconds": 0.1, "backoff_limit_seconds": 1.0}
    options = {**quick, "retry_seconds": (0.2, 0.2), **options}
    feed = Feed(resources, cache, login, clock, SystemEntropy(), on_listed=listed, **options)
    rig = Rig(plane, namespace, feed, cache)
    task = asyncio.create_task(feed.run())
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """One without a hub: on the shared one, the hub of other tests would write to what is watched here."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return hub_chart.install_rights(control_plane)


@pytest.fixture
def proxied(control_plane: ControlPlane, kubeconfig: Path, tmp_path: Path) -> Any:
    with ApiProxy(control_plane) as proxy:
        yield proxy, proxy.kubeconfig(kubeconfig, tmp_path)


async def test_what_is_there_is_listed_and_what_changes_is_seen(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path
) -> None:
    async with running(control_plane, namespace, kubeconfig) as rig:
        rig.create("before")
        await rig.has("before")
        await until(lambda: rig.listings == 1, "the end of the list told")
        rig.create("after", enabled=False)
        await rig.has("after")
        rig.delete("before")
        await rig.has_not("before")
        verbs = [change.verb for change in rig.changes if change.key.namespace == namespace]
        assert verbs == [Verb.ADDED, Verb.ADDED, Verb.DELETED]
        state = rig.feed.state()
        assert state.alive
        assert (state.restarts, state.listed, state.good_age) == (0, True, 0.0)
        assert {stream.name for stream in state.streams} == {
            "integrations.integrationhub.io",
            "clusterintegrationproviders.integrationhub.io",
        }


async def test_the_end_of_a_list_is_told_even_where_it_never_gets_quiet(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path
) -> None:
    async with running(control_plane, namespace, kubeconfig) as rig:
        made = [rig.create("busy")]
        stop = threading.Event()

        def touch() -> None:
            while not stop.is_set():
                made[0]["metadata"]["annotations"] = {"turn": str(time.monotonic_ns())}
                made[0] = control_plane.api.request("PUT", f"{rig._path}/busy", made[0])
                time.sleep(0.03)

        hand = threading.Thread(target=touch)
        hand.start()
        try:
            await until(lambda: rig.listings >= 1, "the end of the list told", 10)
        finally:
            stop.set()
            hand.join()


async def test_a_hub_of_some_namespaces_sees_those_and_no_other(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path
) -> None:
    other = f"{namespace}-x"
    control_plane.create_namespace(other)
    async with running(
        control_plane, namespace, kubeconfig, resources=(INTEGRATIONS,), namespaces=(namespace,)
    ) as rig:
        Rig(control_plane, other, rig.feed, rig.cache).create("theirs")
        rig.create("mine")
        await rig.has("mine")
        await asyncio.sleep(0.5)
        assert rig.cache.keys("Integration") == (rig.key("mine"),)
        assert [stream.name for stream in rig.feed.state().streams] == [
            f"integrations.integrationhub.io in {namespace}"
        ]
    control_plane.delete_namespace(other)


async def test_it_leaves_no_trace_on_the_objects_it_watches(
    control_plane: ControlPlane, namespace: str, proxied: Any
) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig) as rig:
        created = rig.create("a")
        await rig.has("a")
        await asyncio.sleep(0.5)
        now = control_plane.api.request("GET", f"{rig._path}/a")
        assert now["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
        assert {seen.method for seen in proxy.requests} == {"GET"}


async def test_stopping_takes_the_thread_with_it_and_leaves_the_process_alone(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path
) -> None:
    bystander = asyncio.create_task(asyncio.sleep(3600))
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        assert any(thread.name == "kopf" for thread in threading.enumerate())
    await until(lambda: all(thread.name != "kopf" for thread in threading.enumerate()), "the thread ended", 5)
    assert not bystander.done()
    bystander.cancel()


@pytest.mark.parametrize(
    "break_it",
    [
        lambda proxy: proxy.send_watch_error(500),
        lambda proxy: proxy.send_watch_error(504, reason="Timeout"),
    ],
    ids=["error-500", "error-504"],
)
async def test_an_error_event_ends_the_run_and_starts_the_next(
    control_plane: ControlPlane, namespace: str, proxied: Any, break_it: Callable[[ApiProxy], int]
) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        await until(lambda: rig.listings == 1, "the relist asked for")
        assert break_it(proxy) == 2
        await until(lambda: rig.feed.state().restarts == 1, "the restart")
        rig.create("after")
        await rig.has("after")
        await until(lambda: rig.listings == 2, "the relist asked for again")
        assert rig.feed.state().last_end


@pytest.mark.parametrize("mid_line", [False, True], ids=["between-events", "in-the-middle-of-an-event"])
async def test_a_broken_connection_is_taken_up_again_without_a_restart(
    control_plane: ControlPlane, namespace: str, proxied: Any, mid_line: bool
) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        assert (proxy.cut_mid_line() if mid_line else proxy.end_watches()) == 2
        rig.create("after")
        await rig.has("after")
        assert rig.feed.state().restarts == 0


async def test_410_lists_anew_and_asks_for_a_relist_without_a_restart(
    control_plane: ControlPlane, namespace: str, proxied: Any
) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        await until(lambda: rig.listings == 1, "the first list")
        proxy.send_watch_error(410, lists_and_watches("integrations"), reason="Expired")
        await until(lambda: rig.listings == 2, "the second list")
        rig.create("after")
        await rig.has("after")
        assert rig.feed.state().restarts == 0


async def test_refusals_beyond_its_patience_end_a_run_and_the_next_ones_wait_longer(
    control_plane: ControlPlane, namespace: str, proxied: Any, caplog: pytest.LogCaptureFixture
) -> None:
    proxy, kubeconfig = proxied
    caplog.set_level(logging.INFO)
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        with proxy.refusing(503):
            await until(lambda: rig.feed.state().restarts >= 3, "three runs tried")
            state = rig.feed.state()
            assert not state.alive
            assert state.good_age is not None
            assert state.good_age > 0
            rig.create("meanwhile")
        await rig.has("meanwhile")
        await rig.alive()
    waits = [record.__dict__["restart_in"] for record in caplog.records if hasattr(record, "restart_in")]
    assert waits[0] <= 0.1
    assert waits[2] > waits[0]
    assert max(waits) <= 1.0


async def test_a_lost_watch_is_told_once_and_so_is_its_return(
    control_plane: ControlPlane, namespace: str, proxied: Any, caplog: pytest.LogCaptureFixture
) -> None:
    proxy, kubeconfig = proxied
    caplog.set_level(logging.INFO)
    async with running(control_plane, namespace, kubeconfig, retry_seconds=(0.1,) * 50) as rig:
        await rig.alive()
        with proxy.refusing(503, lists_and_watches("integrations")):
            await until(lambda: len(proxy.seen("GET", "/integrations")) > 10, "ten refusals")
            (lost,) = [stream for stream in rig.feed.state().streams if not stream.open]
            assert lost.name == "integrations.integrationhub.io"
            assert "503" in lost.trouble
        await rig.alive()
    told = [record.message for record in caplog.records if record.name.startswith("integration_hub")]
    assert told.count("A watch was lost") == 1
    assert told.count("A watch is back") == 1
    assert not [record for record in caplog.records if record.name.startswith("kopf")]


async def test_a_silent_watch_is_found_out(control_plane: ControlPlane, namespace: str, proxied: Any) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig, silence_seconds=2) as rig:
        await rig.alive()
        with proxy.silent(lambda seen: seen.watching):
            rig.create("unheard")
            await until(lambda: rig.feed.state().restarts >= 1, "the restart")
            assert "nothing heard" in rig.feed.state().last_end
        await rig.has("unheard")


async def test_a_kind_that_the_api_server_does_not_know_is_named_and_the_others_are_fed(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path
) -> None:
    async with running(
        control_plane, namespace, kubeconfig, resources=(INTEGRATIONS, UNKNOWN), unknown_kind_seconds=1
    ) as rig:
        rig.create("fed")
        await rig.has("fed")
        await until(lambda: rig.feed.state().restarts >= 1, "a restart, to look again")
        assert "does not know unknownkinds.integrationhub.io" in rig.feed.state().last_end
        assert not rig.feed.state().alive


async def test_a_token_that_was_replaced_is_taken_up(
    control_plane: ControlPlane, namespace: str, kubeconfig: Path, proxied: Any
) -> None:
    """The API server refuses the old token; the file holds a new one by then."""
    proxy, through = proxied
    text = through.read_text()
    async with running(control_plane, namespace, through) as rig:
        await rig.alive()
        old = yaml.safe_load(text)["users"][0]["user"]["token"]
        new = control_plane.service_account_token(*_account(kubeconfig))
        through.write_text(text.replace(old, new))
        refused = [0]

        def is_old(_: Any) -> bool:
            refused[0] += 1
            return refused[0] == 1

        with proxy.refusing(401, is_old):
            rig.create("after")
            await rig.has("after")
        assert rig.feed.state().restarts == 0


def _account(kubeconfig: Path) -> tuple[str, str]:
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["name"]
    _, _, namespace, name = user.split(":")
    return namespace, name


async def test_refused_credentials_end_the_run_and_are_named(
    control_plane: ControlPlane, namespace: str, proxied: Any
) -> None:
    proxy, kubeconfig = proxied
    async with running(control_plane, namespace, kubeconfig) as rig:
        await rig.alive()
        with proxy.refusing(401):
            await until(lambda: rig.feed.state().restarts >= 2, "restarts", 30)
            assert "credentials" in rig.feed.state().last_end
        await rig.alive()
