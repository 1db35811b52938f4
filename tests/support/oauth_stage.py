"""Connecting accounts at a real authorization server: the room of credentials over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from connect_stage import ConnectStage
from credential_stage import NAMESPACE, sent
from integration_hub.adapters.clock import SystemClock
from integration_hub.adapters.http import AiohttpTransport
from integration_hub.adapters.resolve import SystemResolver
from integration_hub.credentials.grant import Grant
from integration_hub.credentials.owned_secret import Owner
from integration_hub.domain.address import AddressPolicy, AllowList
from integration_hub.egress.send import GuardedEgress
from integration_hub.operations.callback import CallbackAnswer
from integration_hub.ports import CredentialProblem, Destination, HttpRequest, HttpResponse, Problem


class AuthorizationServer(Protocol):
    """One that a person can be sent to."""

    @property
    def url(self) -> str: ...

    def consent(self, authorize_url: str) -> dict[str, str]:
        """What a person's browser is sent back with once they have agreed, and where to (redirect_uri)."""
        ...


@asynccontextmanager
async def stage_at(url: str, spec: dict[str, Any]) -> AsyncIterator[ConnectStage]:
    """A stage whose only way to loopback is this server, with `spec` as provider; its client is `hub`."""
    allow = AllowList.parse([f"127.0.0.1/32:{urlsplit(url).port}"])
    assert isinstance(allow, AllowList)
    transport, resolver = AiohttpTransport(connections=20), SystemResolver({})
    stage = ConnectStage(SystemClock(), GuardedEgress(transport, resolver, AddressPolicy(allow)))
    stage.environment.update(EXAMPLE_CLIENT_ID="hub", EXAMPLE_CLIENT_SECRET="hub-secret")
    stage.provider(**spec)
    stage.integration()
    try:
        yield stage
    finally:
        await stage.hub.source.close(5)
        await transport.close()
        await resolver.close()


async def connect(stage: ConnectStage, server: AuthorizationServer) -> CallbackAnswer | Problem:
    """There and back again."""
    asked = await stage.begin()
    back = await asyncio.to_thread(server.consent, asked["page"])
    assert back.pop("redirect_uri") == asked["redirect_uri"]
    return await stage.arrive(back)


async def status_of(stage: ConnectStage, address: str, presented: object) -> int:
    """The status that an address answers to these credentials."""
    headers = {"Authorization": f"Bearer {sent(presented)}"}
    request = HttpRequest("GET", address, Destination("tenant", NAMESPACE), headers=headers)
    answer = await stage.hub.endpoint.egress.send(request)
    assert isinstance(answer, HttpResponse), answer
    return answer.status


async def let_it_end(stage: ConnectStage) -> None:
    """The access token is as if its life were over."""
    kept = await stage.hub.book.load(Owner.of(stage.link()))
    assert not isinstance(kept, CredentialProblem)
    assert isinstance(kept.grant, Grant)
    past = stage.clock.now() - timedelta(seconds=1)
    ended = replace(kept.grant, expires_at=past, refresh_at=past)
    await stage.hub.book.save(Owner.of(stage.link()), replace(kept, grant=ended))
