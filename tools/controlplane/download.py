"""Fetches official archives; unpacks nothing before the hash was right."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from controlplane.pins import Archive

Report = Callable[[str], None]

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_CHUNK = 1 << 20
_REPORT_EVERY_MB = 50


class DownloadError(RuntimeError):
    """The archive could not be had, or was not the one that is pinned."""


def fetch(archive: Archive, wanted: set[str], into: Path, report: Report) -> dict[str, Path]:
    """Download `archive` and unpack the `wanted` components into the folder `into`.

    Raises DownloadError; offline that takes at most five seconds. Nothing of an archive with another
    hash is unpacked.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        saved = Path(scratch) / "archive.tar.gz"
        try:
            digest = _save(archive, saved, report)
        except (OSError, http.client.HTTPException) as error:
            raise DownloadError(f"{archive.url}: {error}") from error
        if digest != archive.sha512:
            raise DownloadError(f"{archive.url} has SHA-512 {digest[:16]}…, expected {archive.sha512[:16]}…")
        return _unpack(archive, saved, wanted, into)


def _save(archive: Archive, target: Path, report: Report) -> str:
    """Stream the archive to `target`; return its SHA-512 in hex."""
    digest = hashlib.sha512()
    written = 0
    reported = 0
    with _open(archive.url) as response, target.open("wb") as out:
        report(f"downloading {archive.url} (about {archive.size_mb} MB)")
        while chunk := response.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
            written += len(chunk)
            if (mb := written >> 20) >= reported + _REPORT_EVERY_MB:
                reported = mb
                report(f"  {mb} of about {archive.size_mb} MB")
    return digest.hexdigest()


def _open(url: str) -> http.client.HTTPResponse:
    """Open `url`, giving up after the connect timeout whatever hangs: name lookup too, which no socket
    timeout covers.
    """
    outcome: list[http.client.HTTPResponse | OSError | http.client.HTTPException] = []

    def attempt() -> None:
        try:
            outcome.append(urllib.request.urlopen(url, timeout=_READ_TIMEOUT_S))
        except urllib.error.HTTPError as error:
            error.close()  # it is a response too, and holds the connection
            outcome.append(error)
        except (OSError, http.client.HTTPException) as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_CONNECT_TIMEOUT_S)
    if not outcome:
        raise TimeoutError(f"no answer within {_CONNECT_TIMEOUT_S:.0f} s")
    if isinstance(outcome[0], OSError | http.client.HTTPException):
        raise outcome[0]
    return outcome[0]


def _unpack(archive: Archive, saved: Path, wanted: set[str], into: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    with tarfile.open(saved, "r:gz") as tar:
        for name in sorted(wanted & archive.members.keys()):
            member = archive.members[name]
            try:
                source = tar.extractfile(member)
            except KeyError:
                source = None
            if source is None:
                raise DownloadError(f"{archive.url} holds no {member}")
            partial = saved.with_name(name)
            with source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
            partial.chmod(0o755)
            found[name] = partial.replace(into / name)
    return found
