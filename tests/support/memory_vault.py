"""A Vault in memory, as far as the hub asks it, with the answers that a real one gives (tests/servers)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from integration_hub.adapters.vault import VaultServer, VaultSession, VaultSource, VaultWire
from integration_hub.adapters.vault.login import Granted, grant_of
from integration_hub.adapters.vault.wire import Unavailable
from integration_hub.domain.vault_path import VaultPaths
from integration_hub.ports import Clock, HttpRequest
from memory import Answer, MemoryEgress, answer

SEALED = answer(503, {"errors": ["Vault is sealed"]})
DENIED = answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
UNKNOWN_TOKEN = answer(403, {"errors": ["permission denied"]})


@dataclass
class MemoryVault:
    """`down` is answered instead of everything, if set. Tokens live `ttl` seconds, `longest` at most.

    `denied` are paths that the policy lacks; `refused` says that nobody may log in.
    """

    clock: Clock
    ttl: int = 3600
    longest: int = 36_000
    down: Answer | None = None
    refused: bool = False
    denied: set[str] = field(default_factory=set)
    secrets: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    tokens: dict[str, tuple[float, float]] = field(default_factory=dict)
    asked: list[HttpRequest] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def write(self, path: str, **fields: Any) -> None:
        self.secrets.setdefault(path, []).append(fields)

    def delete(self, path: str) -> None:
        self.secrets[path][-1] = None

    def count(self, part: str) -> int:
        """How many requests had this in their address."""
        return sum(part in each.url for each in self.asked)

    def source(self, *, seconds: float = 5.0, namespace: str = "") -> VaultSource:
        """What the hub makes of it."""
        paths = VaultPaths.parse("{namespace}/{path}")
        assert isinstance(paths, VaultPaths)
        return VaultSource(self.session(namespace=namespace), "secret", paths, seconds=seconds)

    def session(self, *, namespace: str = "", seconds: float = 0.0, owned: bool = True) -> VaultSession:
        egress = MemoryEgress(self)
        egress.seconds = seconds
        server = VaultServer("https://vault.example:8200", namespace)
        return VaultSession(VaultWire(server, egress, self.clock), MemoryLogin(owned), self.clock)

    def __call__(self, request: HttpRequest) -> Answer:
        self.asked.append(request)
        if self.down is not None:
            return self.down
        path, token = request.url.partition("/v1/")[2], request.headers.get("X-Vault-Token", "")
        if path == "auth/memory/login":
            return DENIED if self.refused else self._granted(f"hvs.{next(self._count):04d}", 0.0)
        if not self._alive(token):
            return UNKNOWN_TOKEN
        match path:
            case "auth/token/lookup-self":
                return answer(200, {"data": {"ttl": self.ttl, "renewable": True}})
            case "auth/token/renew-self":
                return self._granted(token, self.tokens[token][1])
            case "auth/token/revoke-self":
                del self.tokens[token]
                return answer(204)
        return self._read(path.removeprefix("secret/data/"))

    def _granted(self, token: str, begun: float) -> Answer:
        now = self.clock.monotonic()
        begun = begun or now
        life = min(self.ttl, int(begun + self.longest - now))
        self.tokens[token] = now + life, begun
        auth = {"client_token": token, "lease_duration": life, "renewable": True}
        return answer(200, {"auth": auth})

    def _alive(self, token: str) -> bool:
        return token in self.tokens and self.clock.monotonic() < self.tokens[token][0]

    def _read(self, path: str) -> Answer:
        if path in self.denied:
            return DENIED
        versions = self.secrets.get(path)
        if not versions:
            return answer(404, {"errors": []})
        about = {"version": len(versions), "created_time": "2026-11-21T10:00:00Z", "destroyed": False}
        if versions[-1] is None:
            gone = {**about, "deletion_time": "2026-11-21T11:00:00Z"}
            return answer(404, {"data": {"data": None, "metadata": gone}})
        return answer(200, {"data": {"data": versions[-1], "metadata": {**about, "deletion_time": ""}}})


@dataclass(frozen=True)
class MemoryLogin:
    """A way to log in that needs no file."""

    owned: bool = True

    async def obtain(self, wire: VaultWire) -> Granted | Unavailable:
        found = await wire.ask("POST", "auth/memory/login", body={"role": "integration-hub"})
        if isinstance(found, Unavailable):
            return found
        return grant_of(found.document) or Unavailable("Vault does not let the hub log in.", 10.0)
