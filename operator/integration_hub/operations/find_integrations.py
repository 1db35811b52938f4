"""Read Integrations: one, or a page of a namespace's (INT-20, INT-22, INT-30, INT-31, INT-33)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.integration import INTEGRATION, Environment, Phase
from integration_hub.api.provider import Category
from integration_hub.domain.integration import provider_key
from integration_hub.operations.admission import Admission
from integration_hub.operations.integration_view import IntegrationView, phase_of, view
from integration_hub.operations.integrations import Integrations, decoded
from integration_hub.operations.paging import Page, page_of
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Access, Caller, Json, Problem
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import CachedObject


@dataclass(frozen=True, slots=True)
class IntegrationFilter:
    """Which of a namespace's; None and empty: any. `labels` must all be there with these values."""

    namespace: str
    provider: str = ""
    category: Category | None = None
    environment: Environment | None = None
    phase: Phase | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int = 100
    cursor: str = ""
    trail: Trail = NO_TRAIL


IntegrationPage = Page[IntegrationView]
_Entry = tuple[CachedObject, Json]


class FindIntegrations:
    """From the watch-fed cache: no request to the API server but for the caller's rights."""

    def __init__(self, integrations: Integrations, admission: Admission, reader: ProviderReader) -> None:
        self._integrations = integrations
        self._admission = admission
        self._reader = reader

    async def list(self, caller: Caller, wanted: IntegrationFilter) -> IntegrationPage | Problem:
        """One page, by name. Needs: list integrations."""
        access = Access("list", INTEGRATION.plural, wanted.namespace)
        refusal = await self._admission.refusal(caller, access, wanted.trail)
        if refusal is not None:
            return refusal
        found: list[_Entry] = []
        async for each, obj in decoded(self._integrations.all(wanted.namespace)):
            if self._fits(each, obj, wanted):
                found.append((each, obj))
        page = page_of(found, _by_name, wanted.limit, wanted.cursor)
        if isinstance(page, Problem):
            return page
        shown = [view(each, obj, self._reader) for each, obj in page.items]
        return Page(shown, page.cursor, page.total)

    async def get(
        self, caller: Caller, namespace: str, wanted: str, trail: Trail = NO_TRAIL
    ) -> IntegrationView | Problem:
        """By name or uid. Needs: get integrations."""
        found = await self._integrations.open(caller, namespace, wanted, trail=trail)
        return found if isinstance(found, Problem) else self.show(found)

    def show(self, found: CachedObject) -> IntegrationView:
        """As `get`, for who has been let in already."""
        return view(found, found.load(), self._reader)

    def _fits(self, found: CachedObject, obj: Json, wanted: IntegrationFilter) -> bool:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        labels = obj["metadata"].get("labels") or {}
        if any(labels.get(name) != value for name, value in wanted.labels.items()):
            return False
        if wanted.environment is not None and spec.get("environment", "PRODUCTION") != wanted.environment:
            return False
        if wanted.phase is not None and phase_of(spec, status) is not wanted.phase:
            return False
        return self._is_of(found, spec, wanted)

    def _is_of(self, found: CachedObject, spec: Json, wanted: IntegrationFilter) -> bool:
        """Whether its provider is the one, or of the category, that is wanted."""
        if not wanted.provider and wanted.category is None:
            return True
        named = provider_key(spec, found.key.namespace)
        known = self._reader.read(named) if named is not None else None
        if wanted.provider and wanted.provider not in {
            named.name if named is not None else "",
            known.uid if known is not None else "",
        }:
            return False
        return wanted.category is None or (
            known is not None and known.examined.spec.category is wanted.category
        )


def _by_name(entry: _Entry) -> tuple[str, ...]:
    return (entry[0].key.name,)
