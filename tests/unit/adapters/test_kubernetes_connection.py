"""The connection, and the cluster on it, against a scripted server: what a healthy API server never does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from integration_hub.adapters.kubernetes import Connection, KubernetesCluster, LoginError
from integration_hub.ports import CONFIG_MAPS, SECRETS, ApiError, NotLeaderError, PatchType

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Clock:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> Any:
        raise AssertionError("nothing here needs the wall clock")


class _Budget:
    """A request budget that only takes notes."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.pauses: list[tuple[str, float]] = []

    async def take(self, use: str) -> None:
        self.taken.append(use)

    def pause(self, use: str, seconds: float) -> None:
        self.pauses.append((use, seconds))


class _Leadership:
    """Leads for so many questions, then no more."""

    fencing = 1

    def __init__(self, yes: int) -> None:
        self.yes = yes

    def require(self) -> None:
        self.yes -= 1
        if self.yes < 0:
            raise NotLeaderError("the Lease is somebody else's")


class _Api:
    """What the tests see: the requests that arrived, and a cluster that sends them."""

    def __init__(self, connection: Connection, clock: _Clock, token_file: Path) -> None:
        self.connection = connection
        self.clock = clock
        self.token_file = token_file
        self.budget = _Budget()

    def cluster(self, leadership: Any = None) -> KubernetesCluster:
        return KubernetesCluster(
            self.connection, field_manager="test", budget=self.budget, leadership=leadership
        )


@asynccontextmanager
async def _serve(handler: Handler, tmp_path: Path, *, timeout_seconds: float = 5.0) -> AsyncIterator[_Api]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    token_file = tmp_path / "token"
    token_file.write_text("first\n")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": f"http://{host}:{port}"}}],
                "users": [{"name": "test", "user": {"tokenFile": str(token_file)}}],
            }
        )
    )
    clock = _Clock()
    connection = await Connection.open(
        clock, user_agent="test/1", kubeconfig=kubeconfig, timeout_seconds=timeout_seconds
    )
    try:
        yield _Api(connection, clock, token_file)
    finally:
        await connection.close()
        await runner.cleanup()


def _status(code: int, reason: str, message: str = "no", **details: Any) -> web.Response:
    return web.json_response(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details},
        status=code,
    )


def _object(**metadata: Any) -> web.Response:
    return web.json_response({"metadata": {"resourceVersion": "1", **metadata}})


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("answer", "status", "reason", "message"),
    [
        pytest.param(
            lambda: _status(403, "Forbidden", "you may not"), 403, "Forbidden", "you may not", id="Status"
        ),
        pytest.param(
            lambda: web.Response(status=502, text="<html>bad gateway"),
            502,
            "Unexpected",
            "<html>bad gateway",
            id="proxy",
        ),
        pytest.param(
            lambda: web.Response(status=503), 503, "ServiceUnavailable", "Service Unavailable", id="empty"
        ),
        pytest.param(lambda: web.Response(text="{"), 0, "InvalidResponse", "not JSON", id="torn success"),
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
            302,
            "Unexpected",
            "Found",
            id="redirect",
        ),
    ],
)
async def test_every_refusal_is_one_error_with_kubernetes_reason(
    answer: Callable[[], web.Response], status: int, reason: str, message: str, tmp_path: Path
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return answer()

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await api.cluster().get(CONFIG_MAPS, "team", "one")
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert message in caught.value.message


async def test_an_unreadable_secret_is_not_quoted_in_the_error(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text='{"data": {"token": "aHVudGVyMg=="')

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await api.cluster().get(SECRETS, "team", "one")
    error: BaseException | None = caught.value
    while error is not None:
        assert "aHVudGVyMg" not in f"{error!r} {vars(error)}"
        error = error.__cause__


async def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with _serve(handler, tmp_path, timeout_seconds=0.2) as api:
        with pytest.raises(ApiError) as caught:
            await api.cluster().get(CONFIG_MAPS, "team", "one")
    assert (caught.value.status, caught.value.reason) == (0, "Timeout")


async def test_a_connection_that_breaks_is_an_error_of_its_own(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await api.cluster().patch(CONFIG_MAPS, "team", "one", {}, PatchType.MERGE)
    assert (caught.value.status, caught.value.reason) == (0, "ConnectionLost")


@pytest.mark.parametrize(
    "name", ["../secrets/other", "..", ".", "a/b", "a%2fb", "", "a?b", "a#b", "a b", "-a", "a\n"]
)
async def test_what_is_no_name_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise AssertionError("a request went out")

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError, match="is no valid name"):
            await api.cluster().get(SECRETS, "team", name)
        with pytest.raises(ApiError, match=r"is no valid n|is no valid name"):
            await api.cluster().get(SECRETS, name or "..", "one")


# --------------------------------------------------------------------------- 429


async def test_a_429_pauses_the_budget_for_what_it_asks_and_is_tried_again(tmp_path: Path) -> None:
    answers = [
        web.Response(status=429, headers={"Retry-After": "7"}),
        _status(429, "TooManyRequests", retryAfterSeconds=3),
        _object(),
    ]

    async def handler(_: web.Request) -> web.Response:
        return answers.pop(0)

    async with _serve(handler, tmp_path) as api:
        await api.cluster().patch(CONFIG_MAPS, "team", "one", {}, PatchType.MERGE)
        assert api.budget.pauses == [("write", 7.0), ("write", 3.0)]
        assert api.budget.taken == ["write"] * 3


async def test_a_server_that_says_429_for_ever_is_an_error_in_the_end(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429)

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await api.cluster().get(CONFIG_MAPS, "team", "one")
        assert caught.value.status == 429
        assert api.budget.pauses == [("read", 1.0)] * 3


# --------------------------------------------------------------------------- leadership


async def test_a_write_of_who_does_not_lead_is_not_sent(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise AssertionError("a request arrived")

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(NotLeaderError):
            await api.cluster(_Leadership(0)).create(CONFIG_MAPS, "team", {"metadata": {"name": "one"}})
        assert api.budget.taken == []


@pytest.mark.parametrize("warm", [False, True], ids=["on a new connection", "on a kept connection"])
async def test_leadership_lost_while_connecting_sends_not_one_byte(warm: bool, tmp_path: Path) -> None:
    received = bytearray()

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def unused(_: web.Request) -> web.Response:
        raise AssertionError

    async with _serve(unused, tmp_path) as api, await asyncio.start_server(raw, "127.0.0.1", 0) as server:
        api.connection.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if warm:
            await api.cluster(_Leadership(2)).patch(CONFIG_MAPS, "team", "one", {}, PatchType.MERGE)
            received.clear()
        # The first question, before the line, is answered with yes; the one at the socket with no.
        with pytest.raises(NotLeaderError, match="somebody else's"):
            await api.cluster(_Leadership(1)).patch(CONFIG_MAPS, "team", "one", {}, PatchType.MERGE)
        await asyncio.sleep(0.05)
        assert received == b""
        await api.connection.close()


async def test_reads_need_no_leadership(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return _object()

    async with _serve(handler, tmp_path) as api:
        assert await api.cluster(_Leadership(0)).get(CONFIG_MAPS, "team", "one") is not None


# --------------------------------------------------------------------------- credentials


async def test_a_replaced_token_is_used_within_a_minute(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return _object()

    async with _serve(handler, tmp_path) as api:
        cluster = api.cluster()
        await cluster.get(CONFIG_MAPS, "team", "one")
        api.token_file.write_text("second")
        await cluster.get(CONFIG_MAPS, "team", "one")
        api.clock.time = 61
        await asyncio.gather(*(cluster.get(CONFIG_MAPS, "team", "one") for _ in range(3)))
    assert seen == ["Bearer first", "Bearer first", *["Bearer second"] * 3]


async def test_a_refused_token_is_read_again_at_once_and_the_request_repeated(tmp_path: Path) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return _object() if seen[-1] == "Bearer second" else _status(401, "Unauthorized")

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError, match="Unauthorized"):
            await api.cluster().get(CONFIG_MAPS, "team", "one")
        assert seen == ["Bearer first"], "the same token a second time would be pointless"
        api.token_file.write_text("second")
        await asyncio.gather(*(api.cluster().get(CONFIG_MAPS, "team", "one") for _ in range(4)))
    assert seen.count("Bearer second") == 4


async def test_a_token_file_that_is_away_for_a_moment_leaves_the_old_token(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return _object()

    async with _serve(handler, tmp_path) as api:
        api.token_file.unlink()
        api.clock.time = 61
        assert await api.cluster().get(CONFIG_MAPS, "team", "one") is not None


@pytest.mark.parametrize(
    ("content", "context", "message"),
    [
        pytest.param(None, None, "no kubeconfig at", id="no file"),
        pytest.param("[]", None, "cannot log in to Kubernetes", id="no kubeconfig"),
        pytest.param("contexts: []\nclusters: []\nusers: []\n", "prod", "prod", id="unknown context"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_is_one_clear_error(
    content: str | None, context: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LoginError, match=message):
        await Connection.open(_Clock(), user_agent="test", kubeconfig=path, context=context)


# --------------------------------------------------------------------------- lists


def _page(names: str, *, version: str, token: str = "") -> web.Response:
    return web.json_response(
        {
            "metadata": {"resourceVersion": version, "continue": token},
            "items": [{"metadata": {"name": name, "resourceVersion": "1"}} for name in names],
        }
    )


async def test_a_list_too_old_to_be_continued_begins_anew(tmp_path: Path) -> None:
    queries: list[dict[str, str]] = []
    answers = [
        _page("ab", version="5", token="t1"),
        _status(410, "Expired"),
        _page("bc", version="9", token="t2"),
        _page("d", version="9"),
    ]

    async def handler(request: web.Request) -> web.Response:
        queries.append(dict(request.query))
        return answers.pop(0)

    async with _serve(handler, tmp_path) as api:
        found = await api.cluster().list(CONFIG_MAPS, "team")
        assert [item["metadata"]["name"] for item in found] == ["b", "c", "d"]
        assert [query.get("continue") for query in queries] == [None, "t1", None, "t2"]
        answers += [_page("ab", version="5", token="t1"), _status(410, "Expired"), _page("bc", version="9")]
        pages = [page async for page in api.cluster().list_metadata(CONFIG_MAPS, "team")]
        assert [page.resource_version for page in pages] == ["5", "9"], (
            "another version says: forget the first"
        )


async def test_a_list_that_keeps_growing_too_old_is_asked_for_in_one_piece(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return _status(410, "Expired")
        return _page("ab", version="5", token="t" if "limit" in request.query else "")

    async with _serve(handler, tmp_path) as api:
        assert len(await api.cluster().list(CONFIG_MAPS, "team")) == 2


async def test_a_410_that_is_not_about_a_token_is_told(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return _status(410, "Gone")

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError, match="Gone"):
            await api.cluster().list(CONFIG_MAPS, "team")


# --------------------------------------------------------------------------- watches


def _watch(*pieces: bytes, then: str = "end") -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.query["watch"] == request.query["allowWatchBookmarks"] == "true"
        assert request.headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        if then == "abort":
            assert request.transport is not None
            request.transport.abort()
        return response

    return handler


def _event(kind: str, name: str, version: str) -> bytes:
    return json.dumps(
        {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}}
    ).encode()


async def _events(api: _Api) -> list[tuple[str, str, str]]:
    changes = api.cluster().watch_metadata(CONFIG_MAPS, "team", "1")
    return [(change.type, change.meta.name, change.meta.resource_version) async for change in changes]


async def test_events_cut_anywhere_between_packets_are_put_together(tmp_path: Path) -> None:
    stream = b"\n".join(
        (_event("ADDED", "a", "2"), _event("DELETED", "ü", "3"), _event("BOOKMARK", "", "4"), b"")
    )
    pieces = [stream[start : start + 7] for start in range(0, len(stream), 7)]
    async with _serve(_watch(*pieces), tmp_path) as api:
        assert await _events(api) == [("ADDED", "a", "2"), ("DELETED", "ü", "3"), ("BOOKMARK", "", "4")]


async def test_a_watch_cut_in_the_middle_of_an_event_gives_the_whole_ones_only(tmp_path: Path) -> None:
    async with _serve(_watch(_event("ADDED", "a", "2") + b'\n{"type": "ADD'), tmp_path) as api:
        assert await _events(api) == [("ADDED", "a", "2")]


@pytest.mark.parametrize(
    ("handler", "status", "reason"),
    [
        pytest.param(
            _watch(
                b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}}\n'
            ),
            410,
            "Expired",
            id="an ERROR event 410",
        ),
        pytest.param(
            _watch(b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd"}}\n'),
            500,
            "InternalError",
            id="an ERROR event 500",
        ),
        pytest.param(
            _watch(_event("ADDED", "a", "2") + b"\n", then="abort"), 0, "ConnectionLost", id="a reset"
        ),
    ],
)
async def test_a_watch_that_ends_badly_says_how(
    handler: Handler, status: int, reason: str, tmp_path: Path
) -> None:
    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await _events(api)
    assert (caught.value.status, caught.value.reason) == (status, reason)


async def test_a_forbidden_watch_is_a_403(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return _status(403, "Forbidden")

    async with _serve(handler, tmp_path) as api:
        with pytest.raises(ApiError) as caught:
            await _events(api)
    assert caught.value.status == 403
