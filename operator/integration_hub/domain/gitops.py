"""Whether an object is kept by a tool that would put back what somebody else changes (C-41)."""

from __future__ import annotations

from collections.abc import Mapping

_ANNOTATIONS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/installation-id": "Argo CD",
    "meta.helm.sh/release-name": "Helm",
    "fluxcd.controlplane.io/name": "Flux",
    "config.k8s.io/owning-inventory": "kpt or cli-utils",
}
_LABELS = {
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "applyset.kubernetes.io/part-of": "an ApplySet",
}


def keeper(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """What keeps the object, as people call it; empty if nothing is known to.

    `app.kubernetes.io/instance` alone proves nothing: everybody sets it.
    """
    for marks, told in ((_ANNOTATIONS, annotations), (_LABELS, labels)):
        for mark, name in marks.items():
            if told.get(mark):
                return name
    return "Helm" if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""
