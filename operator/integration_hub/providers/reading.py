"""Providers and Integrations as the watch-fed cache holds them: each version read and examined once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import ValidationError

from integration_hub.api.provider import AuthMode, AuthType, Category, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import provider as providers
from integration_hub.domain.integration import KnownProvider
from integration_hub.domain.provider import Examined, ProviderProblem
from integration_hub.ports import Expressions, Json, Key


class Observed(Protocol):
    """One object as last seen; `runtime.cache.CachedObject` is one."""

    @property
    def key(self) -> Key: ...
    @property
    def uid(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def created(self) -> str:
        """CreationTimestamp as written."""
        ...

    @property
    def deleting(self) -> bool: ...
    @property
    def status_mark(self) -> int:
        """Changes when status changes."""
        ...

    @property
    def age(self) -> tuple[str, str]:
        """Smaller is older, and all replicas agree."""
        ...

    def load(self) -> Json:
        """metadata, spec and status, decoded anew."""
        ...


class Objects(Protocol):
    """What is read of the object cache; `runtime.cache.ObjectCache` is one."""

    def get(self, key: Key) -> Observed | None: ...

    def by_index(self, kind: str, index: str, value: str) -> Sequence[Key]: ...


class ProviderReader:
    """Reads providers from the cache and examines each version once, whoever asks."""

    def __init__(self, objects: Objects, expressions: Expressions) -> None:
        self._objects = objects
        self._expressions = expressions
        self._known: dict[Key, KnownProvider] = {}

    def read(self, key: Key) -> KnownProvider | None:
        """The provider as it is now; None if there is none."""
        observed = self._objects.get(key)
        if observed is None:
            self._known.pop(key, None)
            return None
        known = self._known.get(key)
        if known is None or (known.uid, known.generation) != (observed.uid, observed.generation):
            known = KnownProvider(
                key.kind,
                key.namespace,
                key.name,
                observed.uid,
                observed.generation,
                self._examine(observed),
            )
            self._known[key] = known
        return known

    def _examine(self, observed: Observed) -> Examined:
        try:
            spec = ProviderSpec.model_validate(observed.load().get("spec") or {})
        except ValidationError as error:
            return _unreadable(problems_of(error))
        return providers.examine(spec, self._expressions)


def problems_of(error: ValidationError) -> str:
    """A pydantic error as one line for a person: each field with what is wrong, never its value."""
    told = [
        f"spec.{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    ]
    return "; ".join(told[:3])


def _unreadable(problem: str) -> Examined:
    """What stands for a spec that is none: from before a change of the schema."""
    empty = ProviderSpec.model_construct(
        display_name="", category=Category.CUSTOM, base_url="", auth_modes=[AuthMode(type=AuthType.NONE)]
    )
    return Examined(empty, None, None, (ProviderProblem(Reason.INVALID_SPEC, problem),))
