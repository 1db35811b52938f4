"""A real Kubernetes control plane for tests, demos and benchmarks: no containers, no root, ready in seconds.

`ControlPlane.start()` runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler on this machine,
and kwok where nodes are asked for. From a shell: `python tools/controlplane up`.
"""

from controlplane.binaries import BinariesMissingError, locate
from controlplane.kubectl import KubectlError
from controlplane.plane import ControlPlane, StartError

__all__ = ["BinariesMissingError", "ControlPlane", "KubectlError", "StartError", "locate"]
