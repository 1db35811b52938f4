"""All kinds, in the order in which people meet them."""

from __future__ import annotations

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.meta import KindInfo
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER, INTEGRATION_PROVIDER

KINDS: tuple[KindInfo, ...] = (
    CLUSTER_INTEGRATION_PROVIDER,
    INTEGRATION_PROVIDER,
    INTEGRATION,
    PRODUCT_REGISTRATION,
)
