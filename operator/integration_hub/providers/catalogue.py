"""The bundled catalogue: one YAML file per provider, each a ClusterIntegrationProvider as it is applied.

The files are read when asked for, not at import. The leader applies `manifest`; where cluster
objects cannot be read (namespaced install) `spec` is used from the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import ValidationError

from integration_hub.api.meta import API_VERSION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, ProviderSpec

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: ten times as fast, on sixty files."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One provider: its name (the code people write), its spec, and the object to apply."""

    name: str
    spec: ProviderSpec
    manifest: dict[str, Any]


class CatalogueError(Exception):
    """A file of the catalogue is broken: a bug of this release, named by file."""


def load_catalogue(folder: Traversable | None = None) -> tuple[CatalogueEntry, ...]:
    """Every provider of the folder (the bundled one by default), in order of their names."""
    source = folder if folder is not None else resources.files("integration_hub.providers") / "catalogue"
    files = sorted(
        (file for file in source.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name
    )
    return tuple(_read(file) for file in files)


def _read(file: Traversable) -> CatalogueEntry:
    try:
        manifest = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise CatalogueError(f"{file.name} is no YAML: {error}") from error
    if not isinstance(manifest, dict):
        raise CatalogueError(f"{file.name} holds no object")
    if (manifest.get("apiVersion"), manifest.get("kind")) != (API_VERSION, CLUSTER_INTEGRATION_PROVIDER.kind):
        raise CatalogueError(f"{file.name} is not a {CLUSTER_INTEGRATION_PROVIDER.kind} of {API_VERSION}")
    name = str((manifest.get("metadata") or {}).get("name"))
    if f"{name}.yaml" != file.name:
        raise CatalogueError(f"{file.name} must hold the provider of its own name, not {name!r}")
    try:
        spec = ProviderSpec.model_validate(manifest.get("spec"))
    except ValidationError as error:
        raise CatalogueError(f"{file.name}: {error}") from error
    return CatalogueEntry(name, spec, manifest)
