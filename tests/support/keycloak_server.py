"""Keycloak, an authorization server nobody here wrote, with one realm made for us over its admin API."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from child_server import child_server
from servers import locate

_ADMIN = "admin"
REALM = "hub"


@dataclass(frozen=True)
class Keycloak:
    """A running server. `base` ends before `/realms`."""

    base: str
    admin_token: str

    @property
    def issuer(self) -> str:
        return f"{self.base}/realms/{REALM}"

    def endpoint(self, name: str) -> str:
        """One of auth, token, revoke, certs of the realm."""
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin API."""
        return _ask(method, f"{self.base}/admin/realms{path}", body, self.admin_token)


@contextlib.contextmanager
def keycloak_server(folder: Path) -> Iterator[Keycloak]:
    """Start it (about 40 s) with a realm of short-lived access tokens and rotated refresh tokens."""
    program = locate("keycloak")
    environment = {
        "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN,
        "JAVA_OPTS_APPEND": f"-Dkeycloak.theme.cacheThemes=false -Djava.io.tmpdir={folder}",
        "KC_CACHE": "local",
    }

    def command(port: int) -> list[str | Path]:
        return [
            program / "bin" / "kc.sh", "start-dev", "--http-host=127.0.0.1", f"--http-port={port}",
            "--db=dev-mem", "--log-level=warn",
        ]  # fmt: skip

    with child_server(
        command, ready="/realms/master", folder=folder, seconds=240, environment=environment
    ) as port:
        base = f"http://127.0.0.1:{port}"
        form = {"grant_type": "password", "client_id": "admin-cli", "username": _ADMIN, "password": _ADMIN}
        token = _ask("POST", f"{base}/realms/master/protocol/openid-connect/token", form, form=True)
        server = Keycloak(base, token["access_token"])
        server.admin(
            "POST",
            "",
            {
                "realm": REALM,
                "enabled": True,
                "sslRequired": "none",
                "accessTokenLifespan": 60,
                "revokeRefreshToken": True,
                "refreshTokenMaxReuse": 0,
            },
        )
        yield server


def _ask(method: str, url: str, body: Any = None, token: str = "", *, form: bool = False) -> Any:
    data = None
    headers = {"Accept": "application/json"}
    if body is not None:
        data = urllib.parse.urlencode(body).encode() if form else json.dumps(body).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None
