"""An authorization server nobody here wrote: Django OAuth Toolkit on loopback, and a browser for it."""

from __future__ import annotations

import contextlib
import http.client
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from child_server import child_server

SITE = Path(__file__).with_name("oauth_server_site.py")


@dataclass(frozen=True)
class OAuthServer:
    """`port` on 127.0.0.1. Clients: `hub` (authorization code), `machine` (client credentials)."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def consent(self, authorize_url: str, user: str = "alice") -> dict[str, str]:
        """What a person's browser is sent back with, once they have agreed."""
        parts = urlsplit(authorize_url)
        page = f"{parts.path}?{parts.query}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", page, headers={"X-Remote-User": user})
            answer = connection.getresponse()
            if answer.status == 200:  # a client that it does not trust: a person presses the button
                answer.read()
                form = {name: values[0] for name, values in parse_qs(parts.query).items()}
                headers = {"X-Remote-User": user, "Content-Type": "application/x-www-form-urlencoded"}
                connection.request("POST", page, urlencode({**form, "allow": "Authorize"}), headers)
                answer = connection.getresponse()
            location = answer.headers.get("location", "")
            assert answer.status == 302, f"{answer.status}: {answer.read()[:500]!r}"
        finally:
            connection.close()
        back = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        return {**back, "redirect_uri": location.partition("?")[0]}


@contextlib.contextmanager
def oauth_server(folder: Path, redirect_uri: str) -> Iterator[OAuthServer]:
    """Start it in `folder`, with this one redirect address registered."""
    with child_server(
        lambda port: [sys.executable, SITE, str(port), folder, redirect_uri], ready="/api/me", folder=folder
    ) as port:
        yield OAuthServer(port)
