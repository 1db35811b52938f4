"""What can be asked about providers: which there are, and what one of them wants to know."""

from __future__ import annotations

from integration_hub.operations.provider.find import (
    FoundProvider,
    ProviderFilter,
    ProviderPage,
    Providers,
)

__all__ = ["FoundProvider", "ProviderFilter", "ProviderPage", "Providers"]
