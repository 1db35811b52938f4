"""The book of the feed's watches: what its HTTP traffic says about them."""

from __future__ import annotations

import pytest

from integration_hub.handlers.feed.streams import StreamBook
from integration_hub.ports import Resource

INTEGRATIONS = Resource("integrationhub.io", "v1alpha1", "integrations", "Integration")
PROVIDERS = Resource("integrationhub.io", "v1alpha1", "clusterproviders", "ClusterProvider", namespaced=False)
ROOT = "/apis/integrationhub.io/v1alpha1"


class Body:
    def __init__(self) -> None:
        self.total_bytes = 0


class Desk:
    """A book and everything that it tells."""

    def __init__(self, *resources: Resource, namespaces: tuple[str, ...] = ()) -> None:
        self.now = 100.0
        self.listed = 0
        self.told: list[tuple[str, str]] = []
        self.book = StreamBook(
            resources or (INTEGRATIONS,),
            namespaces,
            lambda: self.now,
            on_listed=self._count,
            on_trouble=lambda stream, reason: self.told.append((stream, reason)),
        )

    def _count(self) -> None:
        self.listed += 1

    def list(self, path: str = f"{ROOT}/integrations", status: int = 200) -> None:
        self.book.answered(path, watching=False, status=status, body=Body())

    def watch(self, path: str = f"{ROOT}/integrations", status: int = 200) -> Body:
        body = Body()
        self.book.answered(path, watching=True, status=status, body=body)
        return body


def test_a_list_has_ended_when_the_watch_after_it_opens() -> None:
    desk = Desk()
    desk.list()
    desk.list()  # its second page
    assert (desk.listed, desk.book.good()) == (0, False)
    desk.watch()
    assert (desk.listed, desk.book.good()) == (1, True)


def test_all_is_listed_once_every_stream_has_brought_a_list_whatever_happens_to_its_watch_after() -> None:
    desk = Desk(INTEGRATIONS, PROVIDERS)
    desk.list()
    desk.watch()
    assert not desk.book.listed()
    desk.watch(status=503)
    desk.list(f"{ROOT}/clusterproviders")
    desk.watch(f"{ROOT}/clusterproviders")
    assert desk.book.listed()
    assert not desk.book.good()


def test_it_is_busy_until_the_last_list_has_ended() -> None:
    desk = Desk(INTEGRATIONS, PROVIDERS)
    assert desk.book.busy()
    desk.list()
    desk.watch()
    assert desk.book.busy(), "the other kind has yet to begin"
    desk.list(f"{ROOT}/clusterproviders")
    desk.watch(f"{ROOT}/clusterproviders")
    assert not desk.book.busy()
    desk.list()  # anew, after a 410
    assert desk.book.busy()


def test_a_watch_that_is_opened_anew_is_no_list() -> None:
    desk = Desk()
    desk.list()
    desk.watch()
    desk.watch()
    assert desk.listed == 1


def test_it_is_good_only_when_every_watch_is_open() -> None:
    desk = Desk(INTEGRATIONS, PROVIDERS)
    desk.watch()
    assert not desk.book.good()
    desk.watch(f"{ROOT}/clusterproviders")
    assert desk.book.good()


@pytest.mark.parametrize(
    ("resource", "namespaces", "paths"),
    [
        (INTEGRATIONS, (), [f"{ROOT}/integrations"]),
        (
            INTEGRATIONS,
            ("a", "b"),
            [f"{ROOT}/namespaces/a/integrations", f"{ROOT}/namespaces/b/integrations"],
        ),
        (PROVIDERS, ("a", "b"), [f"{ROOT}/clusterproviders"]),
        (Resource("", "v1", "pods", "Pod"), ("a",), ["/api/v1/namespaces/a/pods"]),
    ],
    ids=["everywhere", "per-namespace", "cluster-wide-kind", "core-group"],
)
def test_every_stream_is_found_by_its_path(
    resource: Resource, namespaces: tuple[str, ...], paths: list[str]
) -> None:
    book = Desk(resource, namespaces=namespaces).book
    assert [book.find(path) is not None for path in paths] == [True] * len(paths)
    assert len(list(book)) == len(paths)


def test_foreign_requests_are_nobodys_stream() -> None:
    desk = Desk()
    desk.watch("/api/v1/namespaces")
    desk.book.failed("/apis", "refused")
    assert desk.told == []
    assert not desk.book.good()


def test_a_loss_is_told_once_per_reason_and_the_return_once() -> None:
    desk = Desk()
    desk.watch()
    desk.watch(status=503)
    desk.watch(status=503)
    desk.book.failed(f"{ROOT}/integrations", "connection refused")
    assert not desk.book.good()
    desk.watch()
    desk.watch()
    name = "integrations.integrationhub.io"
    assert desk.told == [
        (name, "the API server answered 503"),
        (name, "connection refused"),
        (name, ""),
    ]


def test_bytes_keep_a_watch_alive_and_silence_gives_it_away() -> None:
    desk = Desk()
    body = desk.watch()
    for _ in range(10):  # a bookmark a minute
        desk.now += 60
        body.total_bytes += 200
        desk.book.sample()
        assert desk.book.silent(150) == []
        assert desk.book.good()
    desk.now += 100
    desk.book.sample()
    assert not desk.book.good(), "a bookmark was due"
    assert desk.book.silent(150) == []
    desk.now += 60
    assert desk.book.silent(150) == ["integrations.integrationhub.io"]


def test_a_closed_watch_is_not_silent_but_lost() -> None:
    desk = Desk()
    desk.watch()
    desk.watch(status=403)
    desk.now += 1000
    assert desk.book.silent(150) == []


def test_a_kind_never_asked_for_after_discovery_is_missing() -> None:
    desk = Desk(INTEGRATIONS, PROVIDERS)
    assert desk.book.missing(15) == []
    desk.book.answered(ROOT, watching=False, status=200, body=Body())
    desk.list()
    desk.now += 10
    assert desk.book.missing(15) == []
    desk.now += 10
    assert desk.book.missing(15) == ["clusterproviders.integrationhub.io"]


def test_states_are_for_people() -> None:
    desk = Desk()
    desk.watch()
    desk.now += 12
    (state,) = desk.book.states()
    assert (state.name, state.open, state.silent_seconds, state.trouble) == (
        "integrations.integrationhub.io",
        True,
        12,
        "",
    )
