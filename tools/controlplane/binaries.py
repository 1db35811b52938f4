"""Finds the programs: KUBEBUILDER_ASSETS, the cache, official archives, then `go build`.

Each component comes from the first source that has it. Whatever had to be fetched or built lands in a cache
outside the repository whose key covers every pin, so a second run finds it there.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from controlplane import download, gobuild, pins

Report = Callable[[str], None]
Source = Callable[[set[str]], dict[str, Path]]
"""Takes the components still wanted, returns the ones it has."""


class BinariesMissingError(RuntimeError):
    """No source has a component; the message says what to install."""


def locate(
    components: Iterable[str] = pins.COMPONENTS, report: Report | None = None, *, build: bool = True
) -> Mapping[str, Path]:
    """Path of every component asked for (and helm), downloading or building what is not there yet.

    With `build=False` only what is there already is looked at. Raises BinariesMissingError, or
    gobuild.BuildError where Go is installed and its build fails. Two processes never build at once.
    """
    say = report or announce
    bin_dir = cache_directory() / "bin"
    wanted = set(components)
    ready: list[Source] = [
        lambda rest: from_assets(rest, os.environ.get("KUBEBUILDER_ASSETS"), say),
        from_path,
        lambda rest: from_folder(rest, bin_dir),
    ]
    found = resolve(wanted, ready)
    if build and wanted - found.keys():
        with _exclusive(bin_dir.parent / "lock", say):
            made: list[Source] = [
                lambda rest: from_folder(rest, bin_dir),  # another process may have built meanwhile
                lambda rest: from_archives(rest, bin_dir, say),
                lambda rest: from_go(rest, bin_dir, say),
            ]
            found |= resolve(wanted - found.keys(), made)
    if missing := wanted - found.keys():
        raise BinariesMissingError(_sentence(missing))
    return found


def locate_helm(report: Report | None = None) -> Path:
    """Path of helm: the one installed, else the pinned one, cached or built. Raises as `locate`."""
    return locate(["helm"], report)["helm"]


def resolve(wanted: set[str], sources: Sequence[Source]) -> dict[str, Path]:
    """Ask the sources in order, each only for what the ones before did not have."""
    found: dict[str, Path] = {}
    for source in sources:
        if rest := wanted - found.keys():
            found |= source(rest)
    return found


def from_assets(wanted: set[str], folder: str | None, report: Report) -> dict[str, Path]:
    """What the user's own envtest folder holds, as far as it is of the minor version that is pinned."""
    if not folder:
        return {}
    found = from_folder(wanted, Path(folder))
    minor = pins.KUBERNETES.rpartition(".")[0]
    apiserver = found.get("kube-apiserver")
    if apiserver and f"v{minor}." not in (version := _version_of(apiserver, "--version")):
        report(
            f"KUBEBUILDER_ASSETS holds {version or 'an API server that does not run'}, not {minor}: ignored"
        )
        return {}
    return found


def from_path(wanted: set[str]) -> dict[str, Path]:
    """An installed helm 4, which waits for custom resources where helm 3 does not.

    Components are not taken from PATH: theirs is the pinned version.
    """
    installed = shutil.which("helm") if "helm" in wanted else None
    if installed and _version_of(Path(installed), "version", "--short").startswith("v4."):
        return {"helm": Path(installed)}
    return {}


def from_folder(wanted: set[str], folder: Path) -> dict[str, Path]:
    """The components that are executable files in `folder`."""
    return {name: folder / name for name in wanted if os.access(folder / name, os.X_OK)}


def from_archives(
    wanted: set[str],
    into: Path,
    report: Report,
    archives: Sequence[pins.Archive] | None = None,
) -> dict[str, Path]:
    """Download the pinned archives that hold something wanted; an archive out of reach is passed over."""
    if archives is None:
        archives = pins.ARCHIVES.get(host(), ())
    found: dict[str, Path] = {}
    for archive in archives:
        if here := wanted & archive.members.keys():
            try:
                found |= download.fetch(archive, here, into, report)
            except download.DownloadError as error:
                report(f"no download: {error}")
    return found


def from_go(wanted: set[str], into: Path, report: Report) -> dict[str, Path]:
    """Build the modules that hold something wanted, if Go is installed; keep only what was wanted."""
    found: dict[str, Path] = {}
    if gobuild.go() is None:
        return found
    for module in (pins.KUBERNETES_MODULE, pins.KWOK_MODULE, pins.HELM_MODULE):
        if here := wanted.intersection(module.components):
            built = gobuild.build(module, into, report)
            found |= {name: built[name] for name in here}
    return found


def cache_directory() -> Path:
    """The cache folder of exactly these pins on this kind of machine."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "integration-hub" / "controlplane" / _key()


def host() -> tuple[str, str]:
    """Operating system and processor, in Go's words."""
    machine = platform.machine().lower()
    return sys.platform, {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def announce(message: str) -> None:
    """The default report: a line on the real standard error, which test runners do not swallow."""
    print(f"controlplane: {message}", file=sys.__stderr__, flush=True)


def _key() -> str:
    digest = hashlib.sha256(repr((pins.ARCHIVES, host())).encode())
    for module in (pins.KUBERNETES_MODULE, pins.KWOK_MODULE, pins.HELM_MODULE):
        digest.update(module.linker_flags.encode())
        for path in sorted(module.directory.iterdir()):
            if path.suffix in {".go", ".mod", ".sum"}:
                digest.update(path.name.encode() + path.read_bytes())
    return f"{pins.KUBERNETES}-{digest.hexdigest()[:12]}"


def _version_of(program: Path, *arguments: str) -> str:
    try:
        ran = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip()


def _sentence(missing: set[str]) -> str:
    names = ", ".join(sorted(missing))
    return (
        f"Cannot find {names}, no official download is reachable, and Go is not installed: "
        "install Go 1.26 or newer (https://go.dev/dl)."
    )


@contextlib.contextmanager
def _exclusive(path: Path, report: Report) -> Iterator[None]:
    """Hold the file lock at `path`; say so while waiting for another process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another process that is fetching or building the same programs")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
