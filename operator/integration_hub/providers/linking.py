"""Links: an Integration as cached, with its provider, to a connection that may be used, or to why not.

A call and the reconciler's own gathering go through this module, so that a call is never refused for
what a probe finds in order, or the other way round.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION, IntegrationSpec
from integration_hub.api.provider import AuthMode, AuthType, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import integration as decisions
from integration_hub.domain import url
from integration_hub.domain.config_schema import InvalidConfig, ValidConfig
from integration_hub.domain.integration import (
    BY_IDENTITY,
    Address,
    AddressProblem,
    Basis,
    KnownProvider,
    Sibling,
    identity,
    provider_key,
)
from integration_hub.domain.provider import may_use
from integration_hub.ports import Clock, Expressions, Json, Key, Link, NoLink, Problem
from integration_hub.providers import auth
from integration_hub.providers.reading import Objects, Observed, ProviderReader, problems_of
from integration_hub.providers.request import RequestProblem, base_url, filled_url


@dataclass(frozen=True, slots=True)
class _Remembered:
    """An answer with the versions of all that it rests on."""

    uid: str
    generation: int
    status_mark: int
    provider_key: Key | None
    provider: tuple[str, int] | None
    answer: Link | NoLink


class Linker:
    """Makes Links of cached Integrations; belongs to one event loop.

    The last `remember` answers are kept with the versions that they rest on: a call costs two look-ups.
    """

    def __init__(
        self,
        objects: Objects,
        reader: ProviderReader,
        expressions: Expressions,
        clock: Clock,
        *,
        remember: int = 1024,
    ) -> None:
        self._objects = objects
        self._reader = reader
        self._expressions = expressions
        self._clock = clock
        self._remember = remember
        self._memory: OrderedDict[Key, _Remembered] = OrderedDict()

    def link(self, observed: Observed) -> Link | NoLink:
        """What a call through this Integration goes by, or why there must be none now."""
        if observed.deleting:
            return _refused(observed.key, Reason.DELETING, "It is being deleted.")
        known = self._memory.get(observed.key)
        if known is not None and self._still_true(known, observed):
            self._memory.move_to_end(observed.key)
            return known.answer
        obj = observed.load()
        answer = self._judge(observed, obj)
        named = provider_key(obj.get("spec") or {}, observed.key.namespace)
        versions = (observed.uid, observed.generation, observed.status_mark)
        self._memory[observed.key] = _Remembered(*versions, named, self._version(named), answer)
        self._memory.move_to_end(observed.key)
        if len(self._memory) > self._remember:
            self._memory.popitem(last=False)
        return answer

    def parting(self, observed: Observed, obj: Json) -> Link | NoLink:
        """What is left to do at the outside system goes by, for one that is being deleted, paused or not."""
        try:
            spec = IntegrationSpec.model_validate(obj.get("spec") or {})
        except ValidationError as error:
            return _refused(
                observed.key, Reason.INVALID_SPEC, f"Its spec cannot be read: {problems_of(error)}"
            )
        return usable(self.basis(observed, obj, spec))

    def connectable(self, observed: Observed) -> Link | NoLink:
        """The Link for a person to connect through: neither an ended grant nor a pause stands in the way."""
        if observed.deleting:
            return _refused(observed.key, Reason.DELETING, "It is being deleted.")
        obj = observed.load()
        spec = _spec(observed.key, obj)
        return spec if isinstance(spec, NoLink) else usable(self.basis(observed, obj, spec))

    def basis(self, observed: Observed, obj: Json, spec: IntegrationSpec) -> Basis:
        """All that is known of an Integration without reading a Secret: `obj` is `observed` decoded."""
        key = observed.key
        named = provider_key(obj["spec"], key.namespace)
        provider = self._provider(named, key.namespace)
        config, address = self._configuration(spec, provider, key.namespace)
        return Basis(
            namespace=key.namespace,
            name=key.name,
            uid=observed.uid,
            generation=observed.generation,
            created=observed.created,
            spec=spec,
            previous=obj.get("status") or {},
            provider=provider,
            siblings=self._oldest_rival(key, obj["spec"]),
            config=config,
            address=address,
            mode=auth.mode_of(provider.examined.spec, spec.auth_type) if provider is not None else None,
            now=self._clock.now(),
        )

    # ------------------------------------------------------------------ inside

    def _still_true(self, known: _Remembered, observed: Observed) -> bool:
        """Rivals are not asked for: whoever gains or loses by one gets another status."""
        versions = known.uid, known.generation, known.status_mark
        return (
            versions == (observed.uid, observed.generation, observed.status_mark)
            and self._version(known.provider_key) == known.provider
        )

    def _provider(self, named: Key | None, namespace: str) -> KnownProvider | None:
        """None as well for one that this namespace may not use: nothing of it may show in a status."""
        found = self._reader.read(named) if named is not None else None
        if found is None or may_use(found.examined.spec, found.namespace, namespace):
            return found
        return None

    def _version(self, provider: Key | None) -> tuple[str, int] | None:
        found = self._objects.get(provider) if provider is not None else None
        return (found.uid, found.generation) if found is not None else None

    def _judge(self, observed: Observed, obj: Json) -> Link | NoLink:
        key = observed.key
        spec = _spec(key, obj)
        if isinstance(spec, NoLink):
            return spec
        if not spec.enabled:
            return _refused(
                key, Reason.PAUSED, "It is switched off: set spec.enabled to true to have calls made."
            )
        revoked = _revoked(obj.get("status") or {})
        if revoked:
            return _refused(key, Reason.REAUTH_REQUIRED, revoked)
        return usable(self.basis(observed, obj, spec))

    def _configuration(
        self, spec: IntegrationSpec, provider: KnownProvider | None, namespace: str
    ) -> tuple[ValidConfig | InvalidConfig | None, Address | AddressProblem | None]:
        """The config as the provider's schema judges it, and the address that comes of it."""
        if provider is None or provider.examined.config_schema is None or not provider.examined.usable:
            return None, None
        config = provider.examined.config_schema.validate(spec.config)
        if isinstance(config, InvalidConfig):
            return config, None
        declared = provider.examined.spec
        base = base_url(declared, config=config.values, region=spec.region, expressions=self._expressions)
        if isinstance(base, RequestProblem):
            return config, AddressProblem(base.message)
        target = url.parse(base, trust="tenant", namespace=namespace)
        if isinstance(target, url.UrlProblem):
            return config, AddressProblem(
                f"The provider's address is refused: {target.message}", unreadable=True
            )
        mode = auth.mode_of(declared, spec.auth_type)
        further = self._further_hosts(declared, mode, config.values, namespace)
        return config, Address(target.authority, tuple(dict.fromkeys((target.authority, *further))))

    def _further_hosts(
        self, spec: ProviderSpec, mode: AuthMode | None, config: Mapping[str, Json], namespace: str
    ) -> tuple[str, ...]:
        """Hosts beside the base's that this mode sends credentials to: those of its token endpoints."""
        found = []
        for template in _endpoints(spec, mode):
            address = filled_url(template, config=config, expressions=self._expressions)
            target = (
                url.parse(address, trust="tenant", namespace=namespace) if isinstance(address, str) else None
            )
            if isinstance(target, url.Target):
                found.append(target.authority)
        return tuple(found)

    def _oldest_rival(self, key: Key, spec: Json) -> tuple[Sibling, ...]:
        """Of the living others with the same claim, the one that all others yield to; none or one."""
        rivals = living_rivals(self._objects, key, identity(spec, key.namespace))
        oldest = min(rivals, key=by_age, default=None)
        return (Sibling(oldest.key.name, oldest.uid, oldest.created),) if oldest is not None else ()


def usable(basis: Basis) -> Link | NoLink:
    """The Link that these facts make, whoever wants it; no Secret is looked at."""
    for finding in (decisions.accepted(basis), decisions.config_valid(basis)):
        if not finding.holds:
            return _refused(basis.key, finding.reason, finding.message)
    provider, config, address = basis.provider, basis.config, basis.address
    if provider is None or not isinstance(config, ValidConfig) or not isinstance(address, Address):
        raise LookupError("an accepted, configured Integration has a provider, a config and an address")
    if basis.mode is None:
        return _refused(
            basis.key,
            Reason.AUTH_TYPE_UNSUPPORTED,
            "Its provider has no such authentication mode: correct spec.authType.",
        )
    return Link(
        key=basis.key,
        uid=basis.uid,
        generation=basis.generation,
        spec=basis.spec,
        provider_kind=provider.kind,
        provider_namespace=provider.namespace,
        provider_name=provider.name,
        provider_uid=provider.uid,
        provider_generation=provider.generation,
        provider=provider.examined.spec,
        mode=basis.mode,
        config=config.values,
        hosts=address.hosts,
    )


def living_rivals(objects: Objects, key: Key, claim: str) -> list[Observed]:
    """The Integrations besides `key` that make this claim and are not being deleted."""
    others = objects.by_index(INTEGRATION.kind, BY_IDENTITY, claim)
    found = (objects.get(other) for other in others if other != key)
    return [each for each in found if each is not None and not each.deleting]


def by_age(found: Observed) -> tuple[str, str]:
    """Sort key: the oldest first."""
    return found.age


def _endpoints(spec: ProviderSpec, mode: AuthMode | None) -> Iterator[str]:
    """Addresses, as templates, that a mode sends credentials to; those below the base are left out."""
    if mode is None:
        return
    found: list[str | None] = []
    oauth = spec.oauth if mode.type in (AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS) else None
    if oauth is not None:
        found += [oauth.token_url, oauth.refresh_url, oauth.revoke_url]
        found.append(oauth.account.path if oauth.account is not None else None)
    rotation = mode.rotation
    requests = (
        mode.login,
        mode.jwt.request if mode.jwt is not None else None,
        rotation.request if rotation is not None else None,
        rotation.revoke if rotation is not None else None,
    )
    found += [request.url for request in requests if request is not None]
    yield from (address for address in found if address and not address.startswith("/"))


def _spec(key: Key, obj: Json) -> IntegrationSpec | NoLink:
    try:
        return IntegrationSpec.model_validate(obj.get("spec") or {})
    except ValidationError as error:
        return _refused(key, Reason.INVALID_SPEC, f"Its spec cannot be read: {problems_of(error)}")


def _revoked(status: Mapping[str, Json]) -> str:
    """What the status says of a grant that is no longer honoured; empty while there is none such."""
    for condition in status.get("conditions", ()):
        if condition.get("status") == "False" and condition.get("reason") == Reason.REAUTH_REQUIRED.value:
            return str(condition.get("message", ""))
    return ""


_CODES: Mapping[Reason, ErrorCode] = {
    Reason.DELETING: ErrorCode.INTEGRATION_NOT_FOUND,
    Reason.REAUTH_REQUIRED: ErrorCode.REAUTH_REQUIRED,
}
"""All others are for the owner to correct in the spec or at the provider: INVALID_CONFIGURATION."""


def _refused(key: Key, reason: Reason, message: str) -> NoLink:
    code = _CODES.get(reason, ErrorCode.INVALID_CONFIGURATION)
    return NoLink(reason, Problem(code, f"Integration {key.name} cannot be used ({reason.value}). {message}"))
