"""`kubectl hub connect`: the API server and the hub are stood in for by one HTTP server that remembers."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from integration_hub.cli import main

NAMESPACE = "team-a"
PATH = f"/apis/integrationhub.io/v1alpha1/namespaces/{NAMESPACE}/integrations/slack"
PAGE = "https://slack.com/oauth/v2/authorize?client_id=1&state=s"


def integration(version: int, ready: str, **status: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "R", "message": "m"}
    return {
        "metadata": {
            "name": "slack",
            "namespace": NAMESPACE,
            "resourceVersion": str(version),
            "generation": 1,
        },
        "spec": {"providerRef": {"name": "slack"}},
        "status": {"observedGeneration": 1, "conditions": [condition], **status},
    }


class Stand:
    """One Integration, whose next states the watch tells; what was asked is kept."""

    def __init__(self) -> None:
        self.now = integration(1, "False")
        self.next: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answer: tuple[int, dict[str, Any]] = (200, {"authorizeUrl": PAGE})

    def handler(self) -> type[BaseHTTPRequestHandler]:
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand.keep(self)
                parts = urlsplit(self.path)
                if parse_qs(parts.query).get("watch"):
                    lines = [{"type": "MODIFIED", "object": each} for each in stand.next]
                    if stand.next:
                        stand.now = stand.next[-1]
                    self.tell(200, "".join(json.dumps(line) + "\n" for line in lines))
                elif parts.path == PATH:
                    self.tell(200, json.dumps(stand.now))
                else:
                    self.tell(404, json.dumps({"message": f"{parts.path} not found"}))

            def do_POST(self) -> None:
                stand.keep(self)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith("/token?fieldManager=kubectl-hub"):
                    self.tell(201, json.dumps({"status": {"token": "made-for-the-hub"}}))
                else:
                    self.tell(stand.answer[0], json.dumps(stand.answer[1]))

            def tell(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

        return Handler

    def keep(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.command, request.path, dict(request.headers.items())))

    def posted(self) -> list[tuple[str, dict[str, str]]]:
        return [(path, headers) for method, path, headers in self.asked if method == "POST"]


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def url(stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The stand at an address, and a kubeconfig that names it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), stand.handler())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "mine-alone"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    for name in ("INTEGRATION_HUB_TOKEN", "INTEGRATION_HUB_SERVER"):
        monkeypatch.delenv(name, raising=False)
    yield address
    server.shutdown()
    server.server_close()
    thread.join(10)


def connect(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["connect", "slack", *arguments], prog_name="kubectl hub")


@pytest.mark.req("FUT-01", "OAU-05")
def test_the_page_is_shown_and_the_account_waited_for(url: str, stand: Stand) -> None:
    stand.next = [integration(2, "False"), integration(3, "True")]
    result = connect("--server", url)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{PAGE}\nintegration/slack connected\n"


def test_the_users_own_token_never_reaches_the_hub(url: str, stand: Stand) -> None:
    stand.next = [integration(2, "True")]
    connect("--server", url)
    (token_path, token_headers), (path, headers) = stand.posted()
    assert token_path.startswith(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token")
    assert token_headers["Authorization"] == "Bearer mine-alone"
    assert path == "/api/v1/integrations/slack/oauth/authorize"
    assert headers["Authorization"] == "Bearer made-for-the-hub"
    assert headers["X-Tenant"] == NAMESPACE


def test_what_is_connected_is_left_alone_unless_asked_for_again(url: str, stand: Stand) -> None:
    stand.now = integration(1, "True", credentials={"secretVersion": "5"})
    assert connect("--server", url).stdout.startswith("integration/slack is already connected")
    assert stand.posted() == []
    stand.next = [
        integration(2, "True", credentials={"secretVersion": "5"}),
        integration(3, "True", credentials={"secretVersion": "6"}),
    ]
    result = connect("--server", url, "--again")
    assert result.stdout.endswith("integration/slack connected\n")


def test_waiting_ends_in_time(url: str, stand: Stand) -> None:
    result = connect("--server", url, "--timeout", "0")
    assert result.exit_code == 6
    assert "slack was not connected: not within 0 s" in result.stderr


def test_the_hubs_refusal_is_told_in_its_own_words(url: str, stand: Stand) -> None:
    told = {"error": "Failed", "details": "This mode has no OAuth.", "code": "INVALID_CONFIGURATION"}
    stand.answer = (422, {**told, "retryable": False})
    result = connect("--server", url)
    assert result.exit_code == 1
    assert result.stderr == "kubectl hub: INVALID_CONFIGURATION: This mode has no OAuth.\n"


def test_an_address_that_is_no_web_page_is_not_opened(url: str, stand: Stand) -> None:
    stand.answer = (200, {"authorizeUrl": "file:///etc/passwd"})
    assert "gave no address" in connect("--server", url).stderr


# --------------------------------------------------------------------------- the way to the hub


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A kubectl of ours on the PATH; what it is called with is in the file `called`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "kubectl"


def script(path: Path, text: str) -> None:
    path.write_text(f'#!/bin/sh\necho "$@" > {path.parent}/called\n{text}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_a_server_a_port_is_forwarded_and_closed_again(url: str, stand: Stand, kubectl: Path) -> None:
    port = urlsplit(url).port
    script(
        kubectl,
        f'echo $$ > {kubectl.parent}/pid; echo "Forwarding from 127.0.0.1:{port} -> 8000"; exec sleep 60',
    )
    result = connect("--no-wait")
    assert result.stdout == f"{PAGE}\n"
    called = (kubectl.parent / "called").read_text().split()
    assert called[:4] == ["--namespace", "integration-hub", "port-forward", "service/enterprise-hub"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((kubectl.parent / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'echo "error: services \\"enterprise-hub\\" not found" >&2; exit 1',
            'services "enterprise-hub" not found',
        ),
        ("exit 1", "kubectl said nothing"),
    ],
    ids=["no such Service", "no word"],
)
def test_a_way_that_cannot_be_found_is_told_with_the_way_out(
    text: str, told: str, url: str, kubectl: Path
) -> None:
    script(kubectl, text)
    result = connect()
    assert result.exit_code == 5
    assert told in result.stderr
    assert "name the hub with --server" in result.stderr
