"""The operations that connect accounts and give them back, on the room of credentials."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.credentials.account import AccountFinder
from integration_hub.operations.callback import Callback
from integration_hub.operations.connect import Connect
from integration_hub.operations.connecting import Journeys
from integration_hub.operations.disconnect import Disconnect
from integration_hub.operations.integrations import Integrations
from integration_hub.ports import Clock, Expressions, Store
from integration_hub.providers.linking import Linker
from integration_hub.wiring.credentials import CredentialRoom


@dataclass(frozen=True, slots=True)
class Connecting:
    """Three operations that share their journeys."""

    connect: Connect
    callback: Callback
    disconnect: Disconnect


def build_connecting(
    integrations: Integrations,
    linker: Linker,
    credentials: CredentialRoom,
    *,
    store: Store,
    expressions: Expressions,
    clock: Clock,
    public_url: str,
) -> Connecting:
    """`public_url` empty: nobody could come back, and connecting says so."""
    journeys = Journeys(store, credentials.seal, clock, public_url)
    return Connecting(
        Connect(
            integrations=integrations,
            linker=linker,
            reading=credentials.reading,
            clients=credentials.clients,
            registrar=credentials.registrar,
            journeys=journeys,
            expressions=expressions,
            clock=clock,
        ),
        Callback(
            integrations=integrations,
            linker=linker,
            reading=credentials.reading,
            endpoint=credentials.endpoint,
            accounts=AccountFinder(credentials.endpoint),
            credentials=credentials.source,
            journeys=journeys,
            wakeups=store,
            audit=store,
            clock=clock,
        ),
        Disconnect(
            integrations=integrations,
            linker=linker,
            credentials=credentials.source,
            keeper=credentials.keeper,
            wakeups=store,
        ),
    )
