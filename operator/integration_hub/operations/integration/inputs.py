"""What is asked for when an Integration is made, changed or removed, in any family's routes or on the CLI.

Specs are raw, in the CRD's own shape (camelCase): what is not said keeps the CRD's default, and what a
newer version of the API has is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Json, Problem, SecretText

Change = Callable[[dict[str, Json]], "dict[str, Json] | Problem"]
"""The whole raw spec as it stands to the whole raw spec as it is wanted."""


@dataclass(frozen=True, slots=True)
class CreateIntegration:
    """`credentials` given over HTTP go to `ports.CredentialIntake` once the object exists."""

    namespace: str
    name: str
    spec: Mapping[str, Json]
    credentials: Mapping[str, SecretText] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class ChangeIntegration:
    """`integration` is a name or uid. A full PUT ignores what stands. `force`: though GitOps owns it."""

    namespace: str
    integration: str
    change: Change
    credentials: Mapping[str, SecretText] = field(default_factory=dict)
    force: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class DeleteIntegration:
    """See ChangeIntegration."""

    namespace: str
    integration: str
    force: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class StoredIntegration:
    """An Integration as the API server has it: `metadata`, `spec` and, where there is one yet, `status`."""

    uid: str
    namespace: str
    name: str
    obj: Json = field(repr=False)
