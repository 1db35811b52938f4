"""Keycloak, an authorization server nobody here wrote, with one realm made for us over its admin API."""

from __future__ import annotations

import contextlib
import html
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2

from child_server import child_server
from servers import locate

_ADMIN = "admin"
REALM = "hub"
EVENTS = ["CODE_TO_TOKEN", "CODE_TO_TOKEN_ERROR", "REFRESH_TOKEN", "REFRESH_TOKEN_ERROR", "REVOKE_GRANT"]
"""What the realm writes down. By default it leaves refreshes out."""


@dataclass(frozen=True)
class Keycloak:
    """A running server. `base` ends before `/realms`."""

    base: str

    @property
    def issuer(self) -> str:
        return f"{self.base}/realms/{REALM}"

    def endpoint(self, name: str) -> str:
        """One of auth, token, revoke, certs of the realm."""
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin API, as somebody who has just signed in: its tokens last a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": _ADMIN, "password": _ADMIN}
        token = _ask("POST", f"{self.base}/realms/master/protocol/openid-connect/token", form, form=True)
        return _ask(method, f"{self.base}/admin/realms{path}", body, token["access_token"])

    def person(self, name: str) -> str:
        """Somebody new, whose password is their name; their id."""
        self.admin(
            "POST",
            f"/{REALM}/users",
            {
                "username": name,
                "firstName": name,
                "lastName": "of the tests",
                "email": f"{name}@example.org",
                "emailVerified": True,
                "enabled": True,
                "credentials": [{"type": "password", "value": name, "temporary": False}],
            },
        )
        found = self.admin("GET", f"/{REALM}/users?username={name}&exact=true")
        return str(found[0]["id"])

    def client(
        self, name: str, *, token_seconds: int, redirect: str = "", attributes: Any = None, **further: Any
    ) -> None:
        """A confidential client whose secret is its name with `-secret`; PKCE is asked of it."""
        self.admin(
            "POST",
            f"/{REALM}/clients",
            {
                "clientId": name,
                "protocol": "openid-connect",
                "publicClient": False,
                "secret": f"{name}-secret",
                "redirectUris": [redirect] if redirect else [],
                "attributes": {
                    "access.token.lifespan": str(token_seconds),
                    "pkce.code.challenge.method": "S256",
                    **(attributes or {}),
                },
                **further,
            },
        )

    def events(self, client: str, *types: str) -> list[str]:
        """What clients asked of the realm, as its event log has it, such as REFRESH_TOKEN_ERROR."""
        wanted = "".join(f"&type={each}" for each in types)
        found = self.admin("GET", f"/{REALM}/events?client={client}&max=1000{wanted}")
        return [str(each["type"]) for each in found]

    def sessions(self, user: str) -> list[Any]:
        """The sessions of a person, by id."""
        found: list[Any] = self.admin("GET", f"/{REALM}/users/{user}/sessions")
        return found


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
        command, ready="/realms/master", folder=folder, seconds=420, environment=environment
    ) as port:
        base = f"http://127.0.0.1:{port}"
        server = Keycloak(base)
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
                "eventsEnabled": True,
                "enabledEventTypes": EVENTS,
            },
        )
        yield server


def way_back(authorize_url: str, name: str) -> str:
    """A person signs in and consents in their browser: the address that it is sent back to, with the code."""
    # As browsers do, it takes loopback for safe, and sends cookies marked Secure there.
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    with httpx2.Client(cookies=jar, follow_redirects=True, timeout=60, trust_env=False) as browser:
        page = browser.get(authorize_url)
        action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        assert action is not None, page.text[:2000]
        form = {"username": name, "password": name}
        sent = browser.post(html.unescape(action[1]), data=form, follow_redirects=False)
        assert sent.status_code == 302, sent.text[:2000]
        return sent.headers["location"]


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
