"""Make a custom integration: a namespaced provider, on a caller's behalf (CUS-02)."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.api.errors import ErrorCode
from integration_hub.api.provider import INTEGRATION_PROVIDER, Category, ProviderSpec
from integration_hub.domain import naming
from integration_hub.domain import provider as providers
from integration_hub.domain.custom import Template, TemplateProblem, provider_spec
from integration_hub.operations.admission import Admission
from integration_hub.operations.find_custom import ABOUT, CALLED, CustomIntegration, FindCustom
from integration_hub.operations.integration_view import CREATED_BY
from integration_hub.operations.integration_writer import refused
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import (
    Access,
    ApiError,
    Caller,
    ClusterWriter,
    Expressions,
    Json,
    Key,
    Problem,
)
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.status import resource_of

_RESOURCE = resource_of(INTEGRATION_PROVIDER)


@dataclass(frozen=True, slots=True)
class CreateCustomInput:
    """`name` and `description` are the custom integration's, the template has its own."""

    namespace: str
    name: str
    template: Template
    description: str = ""
    category: Category = Category.CUSTOM
    trail: Trail = NO_TRAIL


class CreateCustom:
    """The object's name is made of `name`; its definition is examined before it is written."""

    def __init__(
        self,
        *,
        admission: Admission,
        finder: FindCustom,
        cluster: ClusterWriter,
        cache: ObjectCache,
        expressions: Expressions,
    ) -> None:
        self._admission = admission
        self._finder = finder
        self._cluster = cluster
        self._cache = cache
        self._expressions = expressions

    async def __call__(self, caller: Caller, asked: CreateCustomInput) -> CustomIntegration | Problem:
        """Needs: create integrationproviders. CONFLICT where the name is taken."""
        access = Access("create", INTEGRATION_PROVIDER.plural, asked.namespace)
        refusal = await self._admission.refusal(caller, access, asked.trail)
        if refusal is not None:
            return refusal
        name = naming.object_name(asked.name)
        if not name or name in naming.RESERVED:
            return Problem(
                ErrorCode.INVALID_REQUEST,
                "name: needs a letter or a digit (a-z, 0-9), and must not be a word of the API",
            )
        spec = self._judged(asked)
        if isinstance(spec, Problem):
            return spec
        annotations = {CREATED_BY: caller.user, CALLED: asked.name, ABOUT: asked.description}
        metadata = {
            "name": name,
            "namespace": asked.namespace,
            "annotations": {mark: text for mark, text in annotations.items() if text},
        }
        try:
            answer = await self._cluster.create(
                _RESOURCE, asked.namespace, {"metadata": metadata, "spec": spec}
            )
        except ApiError as error:
            if error.status == 409:
                return Problem(
                    ErrorCode.CONFLICT, f"name: a custom integration called {name} is there already"
                )
            return refused(error, asked.namespace)
        return self._shown(answer)

    def _judged(self, asked: CreateCustomInput) -> dict[str, Json] | Problem:
        """The spec, if a provider of it could be used: as its reconciler will judge it."""
        spec = provider_spec(asked.template, asked.category.value)
        if isinstance(spec, TemplateProblem):
            return Problem(ErrorCode.INVALID_CONFIGURATION, f"template.{spec.message}")
        examined = providers.examine(ProviderSpec.model_validate(spec), self._expressions)
        if examined.problems:
            told = examined.problems[0].message.removeprefix("spec.")
            return Problem(ErrorCode.INVALID_CONFIGURATION, f"template.{told}")
        return spec

    def _shown(self, answer: Json) -> CustomIntegration:
        """Known at once, however late the watch is."""
        self._cache.upsert(INTEGRATION_PROVIDER.kind, answer)
        metadata = answer["metadata"]
        found = self._cache.get(Key(INTEGRATION_PROVIDER.kind, metadata["namespace"], metadata["name"]))
        shown = self._finder.show(found) if found is not None else None
        if shown is None:
            raise LookupError(f"{metadata['name']} was written and is deleted already")
        return shown
