"""What the control plane is made of: versions, archives with their hashes, and Go modules.

Sources of the hashes: the Kubernetes archives, CHANGELOG-1.35.md of kubernetes/kubernetes; the envtest
archives (whose etcd is used), the envtest release index of kubernetes-sigs/controller-tools. No hash of a
kwok binary is published where it could be pinned, so kwok is always built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

KUBERNETES = "1.35.4"
KWOK = "0.7.0"
HELM = "4.3.1"

KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
COMPONENTS = ("etcd", *KUBERNETES_PROGRAMS, "kwok")

_HERE = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Archive:
    """An official .tar.gz and the components it holds (component -> path inside it)."""

    url: str
    sha512: str
    members: Mapping[str, str]
    size_mb: int


@dataclasses.dataclass(frozen=True)
class Module:
    """A pinned Go module in this repository and the components its one binary can be (by its name).

    `tags` are Go build tags; `cgo` is for the few programs that carry C code and need a C compiler.
    """

    directory: Path
    package: str
    components: tuple[str, ...]
    stamps: Mapping[str, str]
    tags: tuple[str, ...] = ()
    cgo: bool = False

    @property
    def linker_flags(self) -> str:
        """No symbols, no debug information, and the versions that the components report."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.stamps.items())])


def _kubernetes_stamps() -> dict[str, str]:
    major, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


KUBERNETES_MODULE = Module(
    directory=_HERE / "modules" / "kubernetes",
    package=".",
    components=("etcd", *KUBERNETES_PROGRAMS),
    stamps=_kubernetes_stamps(),
)
KWOK_MODULE = Module(
    directory=_HERE / "modules" / "kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    components=("kwok",),
    stamps={"sigs.k8s.io/kwok/pkg/consts.Version": f"v{KWOK}"},
)
HELM_MODULE = Module(
    directory=_HERE.parent / "helm",
    package="helm.sh/helm/v4/cmd/helm",
    components=("helm",),
    stamps={"helm.sh/helm/v4/internal/version.version": f"v{HELM}"},
)


def _kubernetes_archive(arch: str, sha512: str) -> Archive:
    return Archive(
        url=f"https://dl.k8s.io/v{KUBERNETES}/kubernetes-server-linux-{arch}.tar.gz",
        sha512=sha512,
        members={name: f"kubernetes/server/bin/{name}" for name in KUBERNETES_PROGRAMS},
        size_mb=400,
    )


def _etcd_archive(arch: str, sha512: str) -> Archive:
    base = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
    return Archive(
        url=f"{base}/envtest-v1.35.0/envtest-v1.35.0-linux-{arch}.tar.gz",
        sha512=sha512,
        members={"etcd": "controller-tools/envtest/etcd"},
        size_mb=52,
    )


ARCHIVES: Mapping[tuple[str, str], tuple[Archive, ...]] = {
    ("linux", "amd64"): (
        _kubernetes_archive(
            "amd64",
            "7454c2d9023de3230972e965e1e2a587a291e2a1abee703bb0737057e1646b23"
            "ebac538b93dd778e93579e3c293dc1fa8d002e6848ad5ebc01598bc47358fe44",
        ),
        _etcd_archive(
            "amd64",
            "130369c16f076e724d089189afaede960316f5f5dea6cf57be7a4fc6f09c7734"
            "2893192509790e4056e116e232dff832ed863f5bd55dcb55d38f3ab834828a11",
        ),
    ),
    ("linux", "arm64"): (
        _kubernetes_archive(
            "arm64",
            "67187a2fe780be7816f9d10e082ed02cbba306bab379980280d00ba4c4017ff5"
            "3c50cd2ff81d248c91ddcc064276b8760e17c73a1a7da1d35067a6fc0ffbdc88",
        ),
        _etcd_archive(
            "arm64",
            "e53e2b88398f5b9503e3f074d82a2dcb090c708b34940848607ce658138a5d4a"
            "25962e042ab683ccc026a8a6c90c0be7f658e42dde0887369d73c3b68e2fc86c",
        ),
    ),
}
