"""The command line of each component, and how this control plane differs from one in production.

Differences, all for speed or for a laptop: etcd without fsync, no leader election, no serving ports but the
API server's, one administrator identity for all controllers (identities of their own would add 5 s), no
endpoint for the `kubernetes` Service. Authorization, admission and the controllers themselves are stock.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from controlplane.pins import KUBERNETES

SERVICE_CIDR = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
HOST = "127.0.0.1"

USERS = {  # user name -> groups; each has a token of its own
    "admin": "system:masters",
    "system:kube-controller-manager": "system:masters",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": [user for user in USERS if user != "admin"]},
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata"},
    ],
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where one control plane keeps its files. `run` is short: socket paths end at about 100 characters."""

    root: Path
    run: Path

    @property
    def pki(self) -> Path:
        """Certificates, keys, tokens and the components' kubeconfigs."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log per component, and the audit log."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What another process needs to attach."""
        return self.root / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig per ServiceAccount that asked for one."""
        return self.root / "kubeconfigs"

    @property
    def contents(self) -> tuple[Path, ...]:
        """All that a control plane writes; the root may hold other things too."""
        cache = self.root / "kubectl-cache"
        return (
            self.run,
            self.root / "etcd",
            self.pki,
            self.logs,
            self.kubeconfigs,
            cache,
            self.kubeconfig,
            self.state,
        )

    def component_kubeconfig(self, user: str) -> Path:
        """The kubeconfig a component runs with."""
        return self.pki / f"{user.replace(':', '-')}.kubeconfig"


def commands(
    layout: Layout, programs: Mapping[str, Path], port: int, *, audit: bool
) -> dict[str, dict[str, object]]:
    """Give argv and added environment of every component in `programs`, as the supervisor wants them."""
    arguments = {
        "etcd": _etcd(layout),
        "kube-apiserver": _apiserver(layout, port, audit=audit),
        "kube-controller-manager": _controller_manager(layout),
        "kube-scheduler": _scheduler(layout),
        "kwok": _kwok(layout),
    }
    return {
        name: {"argv": [str(programs[name]), *argv], "env": {"HOME": str(layout.run)}}
        for name, argv in arguments.items()
        if name in programs
    }


def _etcd(layout: Layout) -> list[str]:
    # Sockets in a folder that only we can open. etcd insists on advertising host:port; with one member and
    # one client, both told where to connect, nobody ever reads it.
    unread = "http://127.0.0.1:1"
    return [
        f"--data-dir={layout.root}/etcd",
        f"--listen-client-urls=unix://{layout.run}/etcd",
        f"--listen-peer-urls=unix://{layout.run}/peer",
        f"--advertise-client-urls={unread}",
        f"--initial-advertise-peer-urls={unread}",
        f"--initial-cluster=default={unread}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    ]


def _apiserver(layout: Layout, port: int, *, audit: bool) -> list[str]:
    pki = layout.pki
    flags = [
        f"--etcd-servers=unix://{layout.run}/etcd",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        "--permit-port-sharing",  # with the supervisor's socket, which keeps the port while we are down
        "--endpoint-reconciler-type=none",  # a loopback address may not be an endpoint
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--token-auth-file={pki}/tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
    ]
    if audit:
        flags += [
            f"--audit-policy-file={pki}/audit-policy.json",
            f"--audit-log-path={layout.logs}/audit.log",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=1",
        ]
    return flags


def _controller_manager(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.component_kubeconfig('system:kube-controller-manager')}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--service-account-private-key-file={layout.pki}/service-accounts.key",
        f"--root-ca-file={layout.pki}/ca.crt",
        "--node-monitor-grace-period=5m",  # a fake node's heartbeat may be late on a busy laptop
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.component_kubeconfig('system:kube-scheduler')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def _kwok(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.component_kubeconfig('kwok')}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-label-selector=type=kwok",
        "--node-lease-duration-seconds=200",
        "--cidr=10.244.0.0/16",
    ]


def kwok_node(index: int) -> dict[str, object]:
    """A fake node: kwok keeps it Ready and runs every pod that lands on it."""
    name = f"kwok-{index}"
    room = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "type": "kwok",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node-role.kubernetes.io/agent": "",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
        },
        "status": {
            "allocatable": room,
            "capacity": room,
            "nodeInfo": {
                "kubeletVersion": f"v{KUBERNETES}",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def audit_policy() -> str:
    """The audit policy as a file: every request of everybody but the control plane's own components."""
    return json.dumps(AUDIT_POLICY)
