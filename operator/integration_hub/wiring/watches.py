"""The metadata-only watches of Secrets and Deployments, in the namespaces where our objects are."""

from __future__ import annotations

import asyncio

from integration_hub.api.integration import INTEGRATION
from integration_hub.api.product_registration import PRODUCT_REGISTRATION
from integration_hub.ports import DEPLOYMENTS, SECRETS, Clock, ClusterReader, Entropy
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.reflector import OnChange, Reflector

_BURST_SECONDS = 0.1
"""A burst of new objects is one change of namespaces."""


class Watches:
    """`secret_changed` and `deployment_changed` are told namespace and name."""

    def __init__(
        self,
        cluster: ClusterReader,
        cache: ObjectCache,
        clock: Clock,
        entropy: Entropy,
        *,
        secret_changed: OnChange,
        deployment_changed: OnChange,
    ) -> None:
        self._cache = cache
        self.secrets = Reflector(cluster, clock, entropy, SECRETS, secret_changed)
        self.deployments = Reflector(cluster, clock, entropy, DEPLOYMENTS, deployment_changed)

    async def follow_namespaces(self) -> None:
        """Follow where our objects are, and nowhere else, until cancelled."""
        changed = asyncio.Event()
        self._cache.subscribe(lambda change: changed.set() if None in (change.before, change.after) else None)
        while True:
            products = self._cache.namespaces(PRODUCT_REGISTRATION.kind)
            self.secrets.serve({*self._cache.namespaces(INTEGRATION.kind), *products})
            self.deployments.serve(products)
            await changed.wait()
            await asyncio.sleep(_BURST_SECONDS)
            changed.clear()
