"""Finds a server's program in the cache, or fetches or builds it there.

The cache's key covers every pin of that one server, so a change of one does not rebuild the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from controlplane import gobuild
from servers import pins


class ServerMissingError(RuntimeError):
    """The server cannot be had; the message says what to install."""


def locate(server: str) -> Path:
    """Path of the server's program, fetched or built if need be.

    gitea, stripe-mock, vault and versitygw are programs; for keycloak it is its folder, for prism the folder
    that holds node_modules. Two processes never fetch the same one at once. Raises ServerMissingError.
    """
    folder = _cache(server)
    entry = folder / server
    if entry.exists():
        return entry
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder / "lock"):
        if not entry.exists():
            announce(f"getting {server}; the first time this takes a while")
            _make(server, folder)
    return entry


def gitea_source() -> Path:
    """Gitea's own templates and options, which its program reads: the module's folder."""
    module = pins.GO_MODULES["gitea"]
    listed = _run("go", "list", "-m", "-f", "{{.Dir}}", module.package, cwd=module.directory)
    return Path(listed.strip())


def announce(message: str) -> None:
    """A line on the real standard error, which test runners do not swallow."""
    print(f"servers: {message}", file=sys.__stderr__, flush=True)


def _make(server: str, folder: Path) -> None:
    if server in pins.GO_MODULES:
        _need("go", "Go 1.26 or newer (https://go.dev/dl)")
        if pins.GO_MODULES[server].cgo:
            _need("cc", "a C compiler, such as Debian's package gcc")
        gobuild.build(pins.GO_MODULES[server], folder, announce)
    elif server == "keycloak":
        _need("java", "a Java runtime 17 or newer")
        _need("mvn", "Maven, such as Debian's package maven")
        _unpack_keycloak(folder)
    elif server == "prism":
        _need("npm", "Node 20 or newer with npm")
        _install_node(folder)
    else:
        raise ServerMissingError(f"there is no server {server!r}; known are {', '.join(pins.SERVERS)}")


def _unpack_keycloak(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _run(
            "mvn", "--quiet", "--batch-mode", "dependency:copy",
            f"-Dartifact={pins.KEYCLOAK.coordinates}", f"-DoutputDirectory={scratch}",
        )  # fmt: skip
        archive = next(Path(scratch).glob("*.zip"))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != pins.KEYCLOAK.sha256:
            raise ServerMissingError(f"{archive.name} is not the pinned file: its SHA-256 is {found}")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(scratch)
        made = Path(scratch) / pins.KEYCLOAK.folder
        for program in (made / "bin").glob("*.sh"):
            program.chmod(0o755)
        made.rename(folder / "keycloak")


def _install_node(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / "prism"
        shutil.copytree(pins.NODE_FOLDER, made, ignore=shutil.ignore_patterns("node_modules"))
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=made)
        made.rename(folder / "prism")


def _run(*command: str, cwd: Path | None = None) -> str:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ran.returncode:
        tail = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-15:])
        raise ServerMissingError(f"{' '.join(command[:3])} failed:\n{tail}")
    return ran.stdout


def _need(program: str, what: str) -> None:
    if shutil.which(program) is None:
        raise ServerMissingError(f"{program} is not installed: install {what}")


def _cache(server: str) -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()}".encode())
    if server in pins.GO_MODULES:
        module = pins.GO_MODULES[server]
        digest.update(repr((module.linker_flags, module.tags, module.cgo)).encode())
        files = [
            module.directory / "go.mod",
            module.directory / "go.sum",
            *sorted(module.directory.glob("*.go")),
        ]
    else:
        digest.update(repr(pins.KEYCLOAK).encode() if server == "keycloak" else b"node")
        files = [] if server == "keycloak" else [pins.NODE_FOLDER / "package-lock.json"]
    for file in files:
        digest.update(file.read_bytes())
    return base / "integration-hub" / "servers" / f"{server}-{digest.hexdigest()[:12]}"


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
