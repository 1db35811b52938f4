"""EXE-04 through all but the API server: gateway, operations, the real pipeline, a GitHub on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

import call_stage
from call_stage import TOKEN, FarEnd
from gateway_stage import ALICE, GatewayStage

HUB = "/api/integration-hub/gh"
REPO = "/repos/owner/repo"


class GitHub:
    """As much of it as the seed's examples ask for; who has no token is nobody."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = [
            {"number": 1, "title": "Old", "state": "closed", "labels": ["bug"]},
            {"number": 2, "title": "Crash", "state": "open", "labels": ["bug"]},
            {"number": 3, "title": "Wish", "state": "open", "labels": ["idea"]},
        ]
        self.uploaded = 0
        self.downloads = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Requires authentication"}, status=401)
        route = (request.method, request.path.removeprefix("/api"))
        if route == ("GET", f"{REPO}/issues"):
            return web.json_response(self._listed(request))
        if route == ("POST", f"{REPO}/issues"):
            given = await request.json()
            made = {"number": len(self.issues) + 1, "state": "open", "labels": [], **given}
            self.issues.append(made)
            return web.json_response(made, status=201)
        if route == ("GET", f"{REPO}/pulls"):
            return web.json_response([{"number": 9, "title": "A pull request"}])
        if route == ("POST", "/upload"):
            async for chunk in request.content.iter_any():
                self.uploaded += len(chunk)
            return web.json_response({"size": self.uploaded})
        if route == ("GET", "/download"):
            return await self._download(request)
        return web.json_response({"message": "Not Found"}, status=404)

    def _listed(self, request: web.Request) -> list[dict[str, Any]]:
        state, label = request.query.get("state"), request.query.get("labels")
        return [
            issue
            for issue in self.issues
            if (state is None or issue["state"] == state) and (label is None or label in issue["labels"])
        ]

    async def _download(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * 65_536)
            self.downloads += 1
        return response


@dataclass
class Scene:
    gateway: GatewayStage
    github: GitHub
    far_end: FarEnd
    pipeline: call_stage.Stage


@asynccontextmanager
async def scene(*, read_bodies: bool = True, **spec: Any) -> AsyncIterator[Scene]:
    async with (
        call_stage.far_end(read_bodies=read_bodies) as far_end,
        call_stage.way_out(far_end.port) as way,
    ):
        github = GitHub()
        far_end.answer = github.answer
        pipeline = call_stage.stage(way)
        async with GatewayStage(through=pipeline.calls) as gateway:
            gateway.provider(baseUrl=far_end.base, configSchema={})
            gateway.integration(retry={"enabled": False}, **spec)
            yield Scene(gateway, github, far_end, pipeline)


@pytest.mark.req("EXE-01", "EXE-03", "EXE-04", "EXE-07")
async def test_the_examples_work_against_something_like_github() -> None:
    async with scene() as on:
        found = await on.gateway.ask(
            "POST",
            f"{HUB}/execute",
            {"method": "GET", "endpoint": f"{REPO}/issues", "data": {"state": "open", "labels": "bug"}},
        )
        assert [each["number"] for each in found.json()["result"]["data"]] == [2]
        made = await on.gateway.ask(
            "POST",
            f"{HUB}/execute",
            {
                "method": "POST",
                "endpoint": f"{REPO}/issues",
                "data": {"title": "New Issue", "body": "Issue description"},
            },
        )
        assert made.json()["result"]["status"] == 201
        assert on.github.issues[-1]["title"] == "New Issue"
        assert on.far_end.seen[0].headers["Accept"] == "application/vnd.github+json"


@pytest.mark.req("EXE-02", "EXE-04")
async def test_the_batch_example_works_too() -> None:
    async with scene() as on:
        calls = [
            {"method": "GET", "endpoint": f"{REPO}/issues"},
            {"method": "GET", "endpoint": f"{REPO}/pulls"},
            {
                "method": "POST",
                "endpoint": f"{REPO}/issues",
                "data": {"title": "New Issue", "body": "Issue description"},
            },
            {"method": "GET", "endpoint": "/nobody"},
        ]
        told = (await on.gateway.ask("POST", f"{HUB}/batch-execute", {"calls": calls})).json()
        assert (told["successful"], told["failed"]) == (3, 1)
        assert told["results"][1]["result"]["data"][0]["number"] == 9
        assert told["results"][3]["error"]["upstream"]["data"] == {"message": "Not Found"}


@pytest.mark.req("OBS-16", "SEC-08")
async def test_no_caller_and_no_record_sees_the_token() -> None:
    async with scene(logging={"bodies": "all"}) as on:
        answer = await on.gateway.ask("POST", f"{HUB}/execute", {"endpoint": f"{REPO}/issues"})
        [record] = on.pipeline.store.calls
        assert TOKEN not in answer.text + str(dict(answer.headers)) + repr(record)
        assert (record.caller, record.path, record.purpose) == (ALICE, f"/api{REPO}/issues", "call")
        assert on.pipeline.vault.asked == [(ALICE, "call")]


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/x",
        "//evil.example/x",
        "/../x",
        "/%2e%2e/x",
        "/x\r\nHost: evil.example",
        "/x\\..\\y",
    ],
)
async def test_nothing_of_the_sort_ever_reaches_a_wire(endpoint: str) -> None:
    async with scene() as on:
        answer = await on.gateway.ask("POST", f"{HUB}/execute", {"endpoint": endpoint})
        assert answer.status_code == 422
        assert on.far_end.seen == []


async def test_four_mebibytes_pass_through_both_ways_piece_by_piece() -> None:
    size, piece = 4 * 1024 * 1024, 65_536
    given = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        while given < size:
            given += piece
            yield b"y" * piece
            await asyncio.sleep(0)

    async with scene(read_bodies=False) as on:
        headers = {"Authorization": f"Bearer {ALICE}", "Content-Type": "application/octet-stream"}
        proxy = "/api/v1/integrations/gh/proxy"
        up = await on.gateway.client.post(f"{proxy}/upload", content=body(), headers=headers)
        assert (up.status_code, up.json()) == (200, {"size": size})
        down = await on.gateway.client.get(f"{proxy}/download", headers=headers)
        assert (down.status_code, len(down.content)) == (200, size)
        assert down.headers["x-upstream-status"] == "200"
        missing = await on.gateway.client.get(f"{proxy}/nobody", headers=headers)
        assert (missing.status_code, missing.json()) == (404, {"message": "Not Found"})


async def test_a_far_end_that_is_not_there_is_told_as_that() -> None:
    async with scene() as on:
        on.gateway.provider(baseUrl="http://vendor.example.com:9/api", configSchema={})
        answer = await on.gateway.ask("POST", f"{HUB}/execute", {"endpoint": "/x"})
        told = answer.json()
        assert told["error"] == "Failed to execute API call"
        assert told["code"] in {"CONNECTION_FAILED", "ADDRESS_BLOCKED"}
        assert "upstream" not in told
