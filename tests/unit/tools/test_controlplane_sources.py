"""Where the control plane's programs come from, in which order, and what is refused."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import binaries, gobuild, pins


def program(path: Path, prints: str = "Kubernetes v1.35.9") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {prints}\n")
    path.chmod(0o755)
    return path


def archive_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server on loopback and the folder it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache, no assets, no network, no Go. Returns the cache's program folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(pins, "ARCHIVES", {})
    return binaries.cache_directory() / "bin"


def quiet(_: str) -> None:
    pass


def test_a_later_source_is_asked_only_for_what_is_still_missing(tmp_path: Path) -> None:
    asked: list[set[str]] = []

    def source(*has: str) -> binaries.Source:
        def answer(wanted: set[str]) -> dict[str, Path]:
            asked.append(set(wanted))
            return {name: tmp_path / has[0] for name in has if name in wanted}

        return answer

    found = binaries.resolve({"a", "b", "c"}, [source("a"), source("b", "a"), source("c"), source("d")])
    assert found == {"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "c"}
    assert asked == [{"a", "b", "c"}, {"b", "c"}, {"c"}]


def test_kubebuilder_assets_come_before_the_cache_and_the_cache_fills_the_rest(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kube-apiserver", "etcd"):
        program(tmp_path / "assets" / name)
    for name in pins.COMPONENTS:
        program(machine / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    found = binaries.locate(report=quiet)
    assert {name for name, path in found.items() if path.parent == tmp_path / "assets"} == {
        "kube-apiserver",
        "etcd",
    }
    assert {path.parent for path in found.values()} == {tmp_path / "assets", machine}


def test_assets_of_another_minor_version_are_named_and_ignored(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "assets" / "kube-apiserver", "Kubernetes v1.31.0")
    program(machine / "kube-apiserver")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    said: list[str] = []
    found = binaries.locate(["kube-apiserver"], said.append)
    assert found["kube-apiserver"].parent == machine
    assert said == ["KUBEBUILDER_ASSETS holds Kubernetes v1.31.0, not 1.35: ignored"]


def test_a_pinned_archive_is_unpacked_into_the_cache(
    machine: Path, site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = site
    content = archive_of({"bin/etcd": b"#!/bin/sh\n", "bin/other": b"unwanted"})
    (folder / "a.tar.gz").write_bytes(content)
    archive = pins.Archive(f"{url}/a.tar.gz", hashlib.sha512(content).hexdigest(), {"etcd": "bin/etcd"}, 1)
    monkeypatch.setattr(pins, "ARCHIVES", {binaries.host(): (archive,)})
    folder = binaries.cache_directory() / "bin"
    assert binaries.locate(["etcd"], quiet) == {"etcd": folder / "etcd"}
    assert (folder / "etcd").read_bytes() == b"#!/bin/sh\n"
    assert [path.name for path in folder.iterdir()] == ["etcd"]


@pytest.mark.parametrize(
    ("sha512", "path", "says"),
    [
        ("0" * 128, "/a.tar.gz", "expected 0000000000000000"),
        (None, "/absent.tar.gz", "404"),
        (None, "/a.tar.gz", "holds no bin/etcd"),
    ],
    ids=["another hash", "not there", "not in it"],
)
def test_an_archive_that_is_not_the_pinned_one_gives_nothing(
    machine: Path, site: tuple[str, Path], sha512: str | None, path: str, says: str
) -> None:
    url, folder = site
    content = archive_of({"bin/kubectl": b"x"})
    (folder / "a.tar.gz").write_bytes(content)
    digest = sha512 or hashlib.sha512(content).hexdigest()
    archive = pins.Archive(url + path, digest, {"etcd": "bin/etcd"}, 1)
    said: list[str] = []
    assert binaries.from_archives({"etcd"}, machine, said.append, [archive]) == {}
    assert says in said[-1]
    assert list(machine.iterdir()) == []


def test_an_archive_that_holds_nothing_wanted_is_not_fetched(machine: Path) -> None:
    archive = pins.Archive("http://127.0.0.1:9/never", "0" * 128, {"etcd": "etcd"}, 1)
    said: list[str] = []
    assert binaries.from_archives({"kwok"}, machine, said.append, [archive]) == {}
    assert said == []


def test_without_network_and_without_go_one_sentence_names_what_to_install(machine: Path) -> None:
    with pytest.raises(binaries.BinariesMissingError) as caught:
        binaries.locate(["kubectl", "etcd"], quiet)
    assert str(caught.value) == (
        "Cannot find etcd, kubectl, no official download is reachable, and Go is not installed: "
        "install Go 1.26 or newer (https://go.dev/dl)."
    )


def test_go_builds_a_module_once_for_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _go_module(tmp_path, "package main\nfunc main() {}\n")
    built = gobuild.build(module, tmp_path / "bin", quiet)
    assert set(built) == {"one", "two"}
    assert built["one"].samefile(built["two"])
    assert binaries.from_folder({"one", "two"}, tmp_path / "bin") == built


def test_a_failed_build_says_what_the_compiler_said_and_leaves_nothing(tmp_path: Path) -> None:
    module = _go_module(tmp_path, "package main\nfunc main() { undefined() }\n")
    with pytest.raises(gobuild.BuildError, match="undefined: undefined"):
        gobuild.build(module, tmp_path / "bin", quiet)
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_change_of_any_pin_changes_the_cache_folder(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = binaries.cache_directory()
    monkeypatch.setattr(
        pins, "KWOK_MODULE", pins.Module(pins.KWOK_MODULE.directory, "kwok", ("kwok",), {"v": "2"})
    )
    assert binaries.cache_directory() != before


def test_an_installed_helm_is_used_and_an_old_one_is_not(machine: Path, tmp_path: Path) -> None:
    program(machine / "helm")
    installed = program(tmp_path / "path" / "helm", "v3.19.0+g1234")
    assert binaries.locate_helm(quiet) == machine / "helm"
    program(installed, "v4.1.0+g1234")
    assert binaries.locate_helm(quiet) == installed


def _go_module(folder: Path, source: str) -> pins.Module:
    directory = folder / "module"
    directory.mkdir()
    (directory / "go.mod").write_text("module example.test/m\n\ngo 1.25\n")
    (directory / "main.go").write_text(source)
    return pins.Module(directory, ".", ("one", "two"), {})
