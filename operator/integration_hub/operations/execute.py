"""Call an outside system on somebody's behalf, with credentials that they never see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integration_hub.api.provider import AuthType
from integration_hub.domain.call import Encoding, Wording, show
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.one_call import Answered, OneCall
from integration_hub.operations.trail import NO_TRAIL, Trail
from integration_hub.ports import Caller, Json, Problem

CALL = "call"
"""The virtual subresource that lets somebody call through an Integration (verb create)."""


@dataclass(frozen=True, slots=True)
class ExecuteInput:
    """`integration` is a name or a uid. `dry_run`: compose and check, send nothing."""

    namespace: str
    integration: str
    wording: Wording
    dry_run: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would have been sent, but for what the credentials add (`authentication` names how)."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    data: Json = field(repr=False)
    encoding: Encoding
    authentication: AuthType


class Execute:
    """One call."""

    def __init__(self, integrations: Integrations, one_call: OneCall) -> None:
        self._integrations = integrations
        self._one_call = one_call

    async def __call__(self, caller: Caller, asked: ExecuteInput) -> Answered | Rehearsed | Problem:
        """A Problem where nothing was sent, or nothing was answered; see `Answered` for the rest."""
        link = await self._integrations.link(
            caller, asked.namespace, asked.integration, subresource=CALL, trail=asked.trail
        )
        if isinstance(link, Problem):
            return link
        plan = self._one_call.plan(link, asked.wording, caller, asked.trail)
        if isinstance(plan, Problem):
            return plan
        if not asked.dry_run:
            return await self._one_call.make(link, plan)
        address = self._one_call.url_of(link, plan)
        if isinstance(address, Problem):
            return address
        request = plan.request
        shown = show(request.body, request.headers.get("Content-Type", ""))
        headers = {**link.provider.default_headers, **request.headers}
        return Rehearsed(request.method, address, headers, shown.data, shown.encoding, link.mode.type)
