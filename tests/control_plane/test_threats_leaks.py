"""Canaries: every kind of secret is used in every way that works and that fails; then all is searched."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from far_end import Asked, Reply
from hub_process import KEY, running_hub
from postgresql_server import PostgresqlServer
from tenant import Tenant
from threat_stage import Siege

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(240)]

HUB = "/api/integration-hub"
KINDS = "intg,iprov,ciprov,prodreg"
PIECE = 12
"""Letters of a secret that nobody may see in a row: what was cut off must not show either."""


class Canary:
    """A secret that can be found again, whole or in part, plain or in any encoding that travels."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.core = secrets.token_hex(12)
        self.value = f'{name}/{self.core}+=&%"'

    @property
    def pieces(self) -> Iterator[bytes]:
        yield from _pieces(self.core)


def _pieces(core: str) -> Iterator[bytes]:
    for start in range(0, len(core) - PIECE + 1, PIECE):
        piece = core[start : start + PIECE].encode()
        yield piece
        for shift in range(3):  # wherever it stands in a text that is encoded
            whole = base64.b64encode(b"\0" * shift + piece)
            yield whole[4 if shift else 0 : -4]


NAMES = (
    *("apiKey", "queryKey", "bearer", "password", "clientSecret", "deniedSecret", "access", "refresh"),
    *("code", "madeOverHttp", "cookie", "bodyPassword", "queryToken", "typo"),
)
THEIR_OWN = {"bodyPassword", "queryToken"}
"""A caller's own: they may come back to the caller, and to nobody else."""


class Scene:
    """Somebody with a connection of every kind to a far end that repeats whatever it hears."""

    def __init__(self, siege: Siege) -> None:
        self.siege = siege
        self.tenant: Tenant = siege.tenant("canary")
        self.canaries = {name: Canary(name) for name in NAMES}
        self.pem = rsa.generate_private_key(65_537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        self.tenant.corner.behave = self.mirror
        self.token = siege.caller(self.tenant.namespace, "admin")
        self.names = ("key", "query", "bearer", "basic", "machine", "denied", "app", "person", "tls", "odd")

    def value(self, name: str) -> str:
        return self.canaries[name].value

    def mirror(self, asked: Asked) -> Reply:
        heard: dict[str, Any] = {
            "path": asked.path,
            "headers": dict(asked.headers),
            "body": asked.body.decode(),
        }
        if asked.headers.get("authorization", "").startswith("Basic "):
            heard["user"] = base64.b64decode(asked.headers["authorization"][6:]).decode()
        if asked.path == "/token" and b"denied-client" in asked.body:
            return Reply(
                400, {"error": "invalid_client", "error_description": json.dumps(heard), "heard": heard}
            )
        if asked.path in ("/token", "/app"):
            tokens = {"access_token": self.value("access"), "refresh_token": self.value("refresh")}
            return Reply(
                200, {**tokens, "token": self.value("access"), "token_type": "bearer", "expires_in": 3600}
            )
        way = asked.path.split("?")[0]
        status = {"/denied": 401, "/forbidden": 403, "/broken": 500, "/limited": 429}.get(way, 200)
        said = {
            "x-heard": asked.headers.get("authorization", "-"),
            "set-cookie": f"sid={self.value('cookie')}",
        }
        seconds = 2.0 if way == "/slow" else 0.0
        return Reply(status, {"heard": heard, "message": json.dumps(heard)}, said, seconds)

    # ------------------------------------------------------------------ making

    def make(self) -> None:
        corner = self.tenant.corner.url
        jwt = {"claims": {"iss": "app"}, "exchange": "request", "request": {"url": "/app"}}
        common = {
            "configSchema": {},
            "probe": {"path": "/me", "intervalSeconds": 5},
            "classes": [
                {"when": "status == 403", "result": "config", "message": "They say {{ body.message }}"}
            ],
            "endpoints": [
                {
                    "name": "Checked",
                    "path": "/checked",
                    "responseSchema": {"type": "object", "required": ["no"]},
                }
            ],
        }
        modes: list[dict[str, Any]] = [
            {"type": "API_KEY", "apiKey": {"in": "header", "name": "X-Api-Key"}},
            {"type": "BEARER"},
            {"type": "BASIC"},
            {"type": "OAUTH2"},
            {"type": "OAUTH2_CLIENT_CREDENTIALS"},
            {"type": "JWT_BEARER", "jwt": jwt},
        ]
        oauth = {
            "authorizeUrl": f"{corner}/authorize",
            "tokenUrl": f"{corner}/token",
            "clientAuthentication": "body",
        }
        self.tenant.provider(**common, authModes=modes, oauth=oauth)
        self.connection("key", "API_KEY", apiKey=self.value("apiKey"))
        self.connection("bearer", "BEARER", token=self.value("bearer"))
        self.connection("basic", "BASIC", username="user", password=self.value("password"))
        client = {"clientId": "good-client", "clientSecret": self.value("clientSecret")}
        self.connection("machine", "OAUTH2_CLIENT_CREDENTIALS", **client)
        self.connection("person", "OAUTH2", **client)
        denied = {"clientId": "denied-client", "clientSecret": self.value("deniedSecret")}
        self.connection("denied", "OAUTH2_CLIENT_CREDENTIALS", **denied)
        self.connection("app", "JWT_BEARER", privateKey=self.pem.decode())
        first = self.tenant.provider_name
        for name, url, mode in (
            ("query", corner, {"type": "API_KEY", "apiKey": {"in": "query", "name": "k"}}),
            ("tls", corner.replace("http:", "https:"), {"type": "BEARER"}),
            ("odd", self.siege.odd, {"type": "BEARER"}),
        ):
            self.tenant.provider_name = f"{first}-{name}"
            self.tenant.provider(**common, baseUrl=url, authModes=[mode])
            key = {"apiKey": self.value("queryKey")} if name == "query" else {"token": self.value("bearer")}
            self.connection(name, str(mode["type"]), **key)
        self.tenant.provider_name = first

    def connection(self, name: str, mode: str, **credentials: str) -> None:
        self.tenant.secret(name, **credentials)
        self.tenant.integration(
            name,
            config={},
            instance=name,
            authType=mode,
            credentials={"secretRef": {"name": name}},
            timeoutSeconds=1,
            retry={"enabled": False},
            circuitBreaker={"failureThreshold": 1000},
            logging={"bodies": "all"},
        )

    # ------------------------------------------------------------------ using

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str | bytes) -> Any:
        return self.siege.ask(method, path, self.token, body, **headers)

    def use(self) -> None:
        """Every connection in every way."""
        for name in ("key", "query", "bearer", "basic", "machine", "app"):
            self.tenant.becomes("True", "Succeeded", name=name)
        self.connect_person()
        own = {
            "password": self.value("bodyPassword"),
            "nested": [{"client_secret": self.value("bodyPassword")}],
        }
        query = urllib.parse.quote(self.value("queryToken"), safe="")
        paths = ("/echo", "/denied", "/forbidden", "/broken", "/slow", f"/echo?access_token={query}")
        for number, name in enumerate(self.names):
            for path in paths:
                self.ask("POST", f"{HUB}/{name}/execute", {"method": "POST", "endpoint": path, "data": own})
            self.ask("POST", f"{HUB}/{name}/execute", {"endpoint": "Checked"})
            self.ask("POST", f"{HUB}/{name}/execute", {"endpoint": "/echo", "dryRun": True})
            calls = [{"endpoint": each} for each in ("/echo", "/broken")]
            self.ask(
                "POST", f"{HUB}/{name}/batch-execute", {"calls": calls}, Idempotency_Key=f"batch-{number}"
            )
            self.ask("GET", f"/api/v1/integrations/{name}/proxy/echo?access_token={query}")
            self.ask("POST", f"/api/v1/integrations/{name}/proxy/denied", own)
            self.ask("POST", f"{HUB}/{name}/test")
            self.ask("POST", f"{HUB}/{name}/execute", {"endpoint": "/limited"})  # it is quiet after that
        made = {"providerId": self.tenant.provider_name, "name": "made", "config": {}, "authType": "API_KEY"}
        made |= {"instance": "made", "apiKey": self.value("madeOverHttp")}
        assert self.ask("POST", "/api/v1/integrations", made, Idempotency_Key="made").status == 201
        self.ask("PUT", "/api/v1/integrations/made", made)
        typo = self.value("typo")
        for wrong in (
            {**made, "apiKey": [typo]},
            {**made, "apikey": typo},
            {**made, "apiKey": typo, "name": 1},
        ):
            assert self.ask("POST", "/api/v1/integrations", wrong).status == 422
        self.ask("POST", "/api/v1/integrations", json.dumps({**made, "apiKey": typo}).encode()[:-1])

    def connect_person(self) -> None:
        self.tenant.becomes("False", "PendingAuthorization", name="person")
        begun = self.ask("POST", "/api/v1/integrations/person/oauth/authorize")
        page = urllib.parse.urlsplit(begun.json["authorizeUrl"])
        state = urllib.parse.parse_qs(page.query)["state"][0]
        body = {"state": state, "code": self.value("code")}
        done = self.ask("POST", "/api/v1/integrations/person/oauth/callback", body)
        assert done.status == 200, done.body

    # ------------------------------------------------------------------ looking

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Everything that somebody could read, but for the users' own Secrets."""
        for name in (*self.names, "made"):
            self.ask("GET", f"{HUB}/{name}/logs?limit=1000")
            self.ask("GET", f"/api/v1/integrations/{name}")
        self.ask("GET", "/api/v1/audit?limit=1000")
        kubectl = self.tenant.plane.kubectl
        yield "answers", b"".join(self.siege.told)
        yield "kubectl get", kubectl("get", KINDS, "-A", "-o", "yaml").stdout.encode()
        yield "kubectl describe", kubectl("describe", f"{KINDS},secret,events", "-A").stdout.encode()
        yield "events", kubectl("get", "events", "-A", "-o", "yaml").stdout.encode()
        yield "metrics", self.siege.hub.page("/metrics")[1].encode()
        yield "probes", (self.siege.hub.page("/readyz")[1] + self.siege.hub.page("/healthz")[1]).encode()
        yield "log", self.siege.hub.log.read_bytes()
        yield from files(self.siege.folder / "data")


@pytest.fixture(scope="module")
def scene(under_siege: Siege) -> Scene:
    made = Scene(under_siege)
    under_siege.odd_answers |= {
        "/me": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "/echo": b"NONSENSE " + made.value("bearer").encode() + b"\r\n\r\n",
        "/broken": b"HTTP/1.1 500 " + made.value("bearer").encode() + b"\r\ncontent-length: 9\r\n\r\nhalf",
        "/denied": b"HTTP/1.1 401 No\r\nx-heard: "
        + made.value("bearer").encode()
        + b"\r\ncontent-length: 0\r\n\r\n",
    }
    made.make()
    made.use()
    return made


@pytest.mark.req("SEC-01", "SEC-06", "OBS-11", "ERR-08")
def test_no_secret_shows_anywhere(scene: Scene) -> None:
    heard = repr(scene.tenant.corner.asked)
    for name in set(NAMES) - {"password", "refresh", "madeOverHttp", "cookie", "typo"}:
        assert scene.canaries[name].core in heard, f"{name} travelled"
    found = dict(scene.places())
    leaks = [
        (name, place, context(data, piece))
        for place, data in found.items()
        for name, piece in searched(scene)
        if piece in data and not (name in THEIR_OWN and place == "answers")
    ]
    assert leaks == []
    assert b'"level": "debug"' in found["log"]
    assert b"canary" in found["metrics"]


def test_what_the_hub_obtained_is_sealed_in_its_secret(scene: Scene) -> None:
    for name in ("person", "machine"):
        read = scene.tenant.plane.kubectl(
            "get", "secret", f"intg-{name}-hub", "-n", scene.tenant.namespace, "-o", "json"
        )
        owned = json.loads(read.stdout)
        assert owned["type"] == "integrationhub.io/credentials"
        values = b"\n".join(base64.b64decode(each) for each in owned["data"].values())
        assert values
        whole = values + read.stdout.encode()
        assert [name for name, piece in searched(scene) if piece in whole] == []


def test_a_password_of_the_database_shows_nowhere(
    under_siege: Siege, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """Neither where it is right nor where it is wrong: that is a start that fails, and says why."""
    kubeconfig = under_siege.plane.service_account_kubeconfig("integration-hub", "integration-hub")
    settings = {"namespace": "integration-hub", "roles": "gateway", "log_level": "debug"}
    with running_hub(
        tmp_path / "a", kubeconfig, {**settings, "store_url": postgresql.url()}, leads=False
    ) as hub:
        shown = hub.log.read_text() + hub.page("/metrics")[1] + hub.page("/readyz")[1]
    assert postgresql.password not in shown + hub.log.read_text()
    wrong = Canary("database")
    url = postgresql.url().replace(postgresql.password, urllib.parse.quote(wrong.value, safe=""))
    with (
        pytest.raises(AssertionError),
        running_hub(tmp_path / "b", kubeconfig, {**settings, "store_url": url}),
    ):
        raise LookupError("it started without a database")
    said = (tmp_path / "b" / "hub.log").read_bytes()
    assert b"store" in said
    assert not any(piece in said for piece in wrong.pieces)


def test_no_secret_is_in_the_arguments_of_the_process(under_siege: Siege) -> None:
    """SEC-06: from the environment, which no other user can read."""
    command = Path(f"/proc/{under_siege.hub.process.pid}/cmdline")
    if command.exists():
        shown = command.read_bytes()
    else:
        shown = subprocess.run(
            ["ps", "-o", "args=", "-p", str(under_siege.hub.process.pid)], capture_output=True, check=True
        ).stdout
    assert b"integration_hub" in shown
    assert KEY.encode() not in shown
    assert under_siege.static_key.encode() not in shown


# --------------------------------------------------------------------------- helpers


def searched(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """Everything that must not be found, with a name for it."""
    for canary in scene.canaries.values():
        for piece in canary.pieces:
            yield canary.name, piece
    for line in scene.pem.splitlines()[1:-1]:
        yield "private key", line[:40]
    yield "encryption key", KEY[:24].encode()
    yield "static key", scene.siege.static_key.encode()
    yield "caller's token", scene.token[-60:].encode()


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the store, as it lies on the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()


def context(data: bytes, piece: bytes) -> str:
    at = data.index(piece)
    return data[max(0, at - 160) : at + 60].decode("utf-8", "replace")
