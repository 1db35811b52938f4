"""Which servers, in which versions, from where.

Go modules are pinned with their hashes by go.sum, npm packages by package-lock.json. Keycloak's archive
is pinned by the SHA-256 of the file as its project released it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controlplane.pins import Module

_HERE = Path(__file__).resolve().parent

KEYCLOAK_VERSION = "26.7.3"
NODE_FOLDER = _HERE / "node"

GO_MODULES = {
    "gitea": Module(
        directory=_HERE / "modules" / "gitea",
        package="code.gitea.io/gitea",
        components=("gitea",),
        stamps={"main.Version": "1.26.0"},
        tags=("sqlite", "sqlite_unlock_notify"),
        cgo=True,
    ),
    "stripe-mock": Module(
        directory=_HERE / "modules" / "stripe-mock",
        package="github.com/stripe/stripe-mock",
        components=("stripe-mock",),
        stamps={},
    ),
    # Of the last series under the Mozilla licence, whose API OpenBao keeps, the latest that its SDK fits.
    "vault": Module(
        directory=_HERE / "modules" / "vault",
        package=".",
        components=("vault",),
        stamps={},
    ),
    "versitygw": Module(
        directory=_HERE / "modules" / "versitygw",
        package="github.com/versity/versitygw/cmd/versitygw",
        components=("versitygw",),
        stamps={},
    ),
}


@dataclass(frozen=True)
class MavenArchive:
    """A zip from the Maven repository: `group:artifact:version:type`, its SHA-256, the folder inside it."""

    coordinates: str
    sha256: str
    folder: str


KEYCLOAK = MavenArchive(
    coordinates=f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip",
    sha256="27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
    folder=f"keycloak-{KEYCLOAK_VERSION}",
)

SERVERS = (*GO_MODULES, "keycloak", "prism")
