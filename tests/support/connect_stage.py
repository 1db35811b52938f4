"""Connecting accounts: operations on a real cache, over any egress, with one hub process at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from credential_stage import KEY, NAMESPACE, PROVIDER, Stage
from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.conditions import PENDING
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.meta import KindInfo, format_time
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.credentials.account import AccountFinder
from integration_hub.credentials.registration import Registrar
from integration_hub.operations.admission import Admission
from integration_hub.operations.callback import Callback, CallbackAnswer, CallbackInput
from integration_hub.operations.connect import Connect, ConnectAnswer, ConnectInput
from integration_hub.operations.connecting import Journeys
from integration_hub.operations.disconnect import Disconnect
from integration_hub.operations.integrations import Integrations
from integration_hub.ports import Caller, Json, Key, Link, Problem, SecretText
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.reconcilers.integration_links import declare_indexes
from integration_hub.runtime.cache import ObjectCache
from integration_hub.runtime.status import resource_of
from memory_identity import MemoryAuthorizer

PUBLIC_URL = "https://hub.example.com"
ALICE = Caller("alice")


class ConnectStage(Stage):
    """See the module's text. `restart()` begins a new process on the same API server and store."""

    def __init__(self, clock: Any = None, egress: Any = None) -> None:
        super().__init__(clock)
        self._egress = egress
        self.hub_keys = (KEY,)
        self.cache = ObjectCache()
        declare_indexes(self.cache)
        self.authorizer = MemoryAuthorizer()
        self.authorizer.grant("*", "create", "integrations/connect", NAMESPACE)
        self.restart()

    def restart(self) -> None:
        self.hub = hub = self.process(keys=self.hub_keys, egress=self._egress)
        expressions = CelExpressions()
        reader = ProviderReader(self.cache, expressions)
        self.linker = Linker(self.cache, reader, expressions, self.clock)
        admission = Admission(self.authorizer, self.store, self.clock)
        integrations = Integrations(self.cache, admission, self.linker)
        journeys = Journeys(self.store, hub.seal, self.clock, PUBLIC_URL)
        self.connect = Connect(
            integrations=integrations,
            linker=self.linker,
            reading=hub.reading,
            clients=hub.clients,
            registrar=Registrar(hub.endpoint, hub.book, hub.reading),
            journeys=journeys,
            expressions=expressions,
            clock=self.clock,
        )
        self.callback = Callback(
            integrations=integrations,
            linker=self.linker,
            reading=hub.reading,
            endpoint=hub.endpoint,
            accounts=AccountFinder(hub.endpoint),
            credentials=hub.source,
            journeys=journeys,
            wakeups=self.store,
            audit=self.store,
            clock=self.clock,
        )
        self.disconnect = Disconnect(
            integrations=integrations,
            linker=self.linker,
            credentials=hub.source,
            keeper=hub.keeper,
            wakeups=self.store,
        )

    def apply(self, info: KindInfo, name: str, spec: Json, **metadata: Any) -> None:
        """Create or change an object, and have the watch tell of it."""
        place = NAMESPACE if info.namespaced else ""
        known = self.cluster.read(resource_of(info), place, name)
        before = known["metadata"] if known else {"creationTimestamp": format_time(self.clock.now())}
        parts: dict[str, Any] = {"spec": spec, "metadata": {**before, "name": name, **metadata}}
        if known is None:
            parts["status"] = {"observedGeneration": -1, "conditions": [PENDING]}
        self.cache.upsert(info.kind, self.cluster.put(resource_of(info), place, name, **parts))

    def provider(self, **changes: Any) -> None:
        oauth = {**PROVIDER["oauth"], **changes.pop("oauth", {})}
        self.apply(CLUSTER_INTEGRATION_PROVIDER, "example", {**PROVIDER, "oauth": oauth, **changes})

    def integration(self, name: str = "chat", **changes: Any) -> None:
        self.apply(INTEGRATION, name, {"providerRef": {"name": "example"}, **changes})

    def link(self, name: str = "chat") -> Link:
        found = self.cache.get(Key(INTEGRATION.kind, NAMESPACE, name))
        assert found is not None
        link = self.linker.connectable(found)
        assert isinstance(link, Link), link
        return link

    async def begin(self, caller: Caller = ALICE, *, session: str = "", name: str = "chat") -> dict[str, str]:
        """Parameters of the vendor's page that a caller is sent to; `page` is its whole address."""
        asked = ConnectInput(NAMESPACE, name, SecretText(session) if session else None)
        answer = await self.connect(caller, asked)
        assert isinstance(answer, ConnectAnswer), answer
        query = parse_qs(urlsplit(answer.authorize_url).query, strict_parsing=True)
        return {"page": answer.authorize_url, **{name: values[0] for name, values in query.items()}}

    async def arrive(
        self, back: Mapping[str, str], *, caller: Caller | None = None, **changes: Any
    ) -> CallbackAnswer | Problem:
        """A browser comes back with these parameters, or a caller posts them."""
        asked: dict[str, Any] = {
            "state": SecretText(back["state"]),
            "code": SecretText(back["code"]) if "code" in back else None,
            "slug": "example",
            "issuer": back.get("iss", ""),
            **changes,
        }
        return await self.callback(caller, CallbackInput(**asked))
