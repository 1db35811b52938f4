"""Gitea, a forge nobody here wrote: a REST API, an OAuth 2.0 provider, and later a sender of webhooks."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from child_server import child_server
from servers import locate
from servers.get import gitea_source

USER, PASSWORD = "hubert", "correct-horse-battery"


@dataclass(frozen=True)
class Gitea:
    """A running forge with one administrator, USER."""

    base: str
    folder: Path

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask its REST API as USER."""
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.base}/api/v1{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextlib.contextmanager
def gitea_server(folder: Path) -> Iterator[Gitea]:
    """Start it on SQLite in `folder`."""
    program, source = locate("gitea"), gitea_source()

    def command(port: int) -> list[str | Path]:
        (folder / "app.ini").write_text(_settings(folder, source, port))
        environment = {**os.environ, "HOME": str(folder)}
        config = ["--config", str(folder / "app.ini"), "--work-path", str(folder)]
        for step in (
            ["migrate"],
            ["admin", "user", "create", "--admin", "--username", USER, "--password", PASSWORD,
             "--email", f"{USER}@example.org", "--must-change-password=false"],
        ):  # fmt: skip
            subprocess.run([program, *config, *step], check=True, capture_output=True, env=environment)
        return [program, "web", *config]

    with child_server(
        command, ready="/api/v1/version", folder=folder, environment={"HOME": str(folder)}
    ) as port:
        yield Gitea(f"http://127.0.0.1:{port}", folder)


def way_back(authorize_url: str) -> str:
    """USER signs in and consents in their browser: the address that it is sent back to, with the code."""
    with httpx2.Client(timeout=60, trust_env=False) as browser:
        here, answer = authorize_url, browser.get(authorize_url)
        for _ in range(6):
            if answer.is_redirect:
                there = urljoin(here, answer.headers["location"])
                if urlsplit(there).netloc != urlsplit(authorize_url).netloc:
                    return there
                here, answer = there, browser.get(there)
                continue
            form = _Form()
            form.feed(answer.text)
            given = {**form.hidden, "user_name": USER, "password": PASSWORD, "granted": "true"}
            answer = browser.post(urljoin(here, form.action), data=given)
        raise AssertionError(f"no way back: {here} {answer.text[:2000]}")


class _Form(HTMLParser):
    """The first form of a page that is sent by POST: where to, and what it sends along."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post" and not self.action:
            self.action, self._inside = given.get("action", ""), True
        if self._inside and tag == "input" and given.get("type") == "hidden":
            self.hidden[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _settings(folder: Path, source: Path, port: int) -> str:
    return f"""
APP_NAME = test
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
RUN_MODE = prod
WORK_PATH = {folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {source}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = for-a-test-only-00000000000000000
INTERNAL_TOKEN = eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjE2MDAwMDAwMDB9.7Xb1Gm8C3E1pXGm5dBqfO0mI8S3p8i1Gq1Xy2pQ2pXk
[oauth2]
JWT_SECRET = MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA
ACCESS_TOKEN_EXPIRATION_TIME = 20
INVALIDATE_REFRESH_TOKENS = true
[service]
DISABLE_REGISTRATION = true
[log]
LEVEL = Warn
[cron]
ENABLED = false
"""  # noqa: E501
