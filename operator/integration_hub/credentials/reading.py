"""What a connection's credentials are made of, read from Secrets and remembered while they do not change.

The metadata-only watch tells versions, so a connection whose Secrets have not changed costs no read.
Where the watch knows nothing (a namespace it does not follow, a feed that is down), what was read counts for
a few seconds. While the API server cannot be asked, what was read last goes on counting: the data
plane outlives the control plane.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from integration_hub.api.authentication import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.credentials.flights import Flights
from integration_hub.credentials.owned_secret import SECRET_TYPE, Kept, OwnedBook, Owner
from integration_hub.domain.config_schema import ConfigSchema
from integration_hub.domain.consent import Consent
from integration_hub.ports import (
    ApiError,
    Clock,
    CredentialProblem,
    Link,
    SecretRead,
    Secrets,
    SecretState,
    SecretText,
    SecretVersions,
)
from integration_hub.providers import secret_values
from integration_hub.providers.auth import InvalidKey, MissingKeys
from integration_hub.providers.secret_values import ACCESS_TOKEN, CLIENT, Values

UNWATCHED_SECONDS = 5.0
_Version = tuple[str, str] | Literal["missing", "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What was read at one moment.

    `values` by their own names and the scheme's; `source` the Secret that the spec names, if it names
    one. A view stands for one state: as long as nothing changes, it is the same object.
    """

    kept: Kept
    source: SecretRead | None = None
    values: Values = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        named = self.source.resource_version if self.source is not None else ""
        return f"{named}/{self.kept.version}"

    @property
    def secret_version(self) -> str:
        return self.source.resource_version if self.source is not None else ""


@dataclass(slots=True)
class _Memory:
    """An answer with all that it rests on: the definitions, what the watch said then, what was read."""

    definitions: tuple[int, str, int]
    names: tuple[str, str]
    watched: tuple[_Version, _Version]
    read: tuple[_Version, _Version]
    at: float
    view: View | CredentialProblem


class Reading:
    """Reads; belongs to one event loop. Remembers the `remember` connections used last."""

    def __init__(
        self,
        secrets: Secrets,
        book: OwnedBook,
        versions: SecretVersions,
        consent: Consent,
        clock: Clock,
        *,
        remember: int = 10_000,
    ) -> None:
        self._secrets = secrets
        self._book = book
        self._versions = versions
        self._consent = consent
        self._clock = clock
        self._remember = remember
        self._memory: OrderedDict[str, _Memory] = OrderedDict()
        self._written: OrderedDict[str, None] = OrderedDict()
        self._flights: Flights[View | CredentialProblem] = Flights()

    def warm(self, link: Link) -> View | None:
        """What was read, if nothing has changed since: a matter of microseconds."""
        known = self._memory.get(link.uid)
        if known is None or not self._still(link, known) or isinstance(known.view, CredentialProblem):
            return None
        return known.view

    async def look(self, link: Link, *, fresh: bool = False) -> View | CredentialProblem:
        """What there is, read if need be; `fresh`: read in any case, for who is about to write."""
        if fresh:
            return await self._read(link, tolerant=False)
        known = self._memory.get(link.uid)
        if known is not None and self._still(link, known):
            self._memory.move_to_end(link.uid)
            return known.view
        return await self._flights.join(link.uid, lambda: self._read(link, tolerant=True))

    def learn(self, link: Link, kept: Kept) -> None:
        """The owned Secret was written by us: no need to read it again."""
        known = self._memory.get(link.uid)
        if known is not None and isinstance(known.view, View):
            known.view = replace(known.view, kept=kept)
            known.read = known.read[0], _version_of(kept)

    def changed(self, uid: str) -> None:
        """The owned Secret was written: read it again, whatever the watch says of it yet."""
        self._memory.pop(uid, None)
        self._written[uid] = None
        while len(self._written) > self._remember:
            self._written.popitem(last=False)

    def forget(self, uid: str) -> None:
        self._memory.pop(uid, None)
        self._written.pop(uid, None)

    # ------------------------------------------------------------------ inside

    def _still(self, link: Link, known: _Memory) -> bool:
        if known.definitions != _definitions(link):
            return False
        for place, name in enumerate(known.names):
            now = self._versions.version(link.namespace, name) if name else "missing"
            if now == "unknown":
                if self._clock.monotonic() - known.at > UNWATCHED_SECONDS:
                    return False
            elif now not in (known.watched[place], known.read[place]):
                return False
        return True

    def _watch(self, link: Link, names: tuple[str, str]) -> tuple[_Version, _Version]:
        named, owned = (self._versions.version(link.namespace, each) if each else "missing" for each in names)
        return named, owned

    async def _read(self, link: Link, *, tolerant: bool) -> View | CredentialProblem:
        names = _names(link)
        watched = self._watch(link, names)
        try:
            source = await self._source(link)
            # Most connections have no Secret of the hub's, and the watch knows: one request less for each.
            absent = tolerant and watched[1] == "missing" and link.uid not in self._written
            kept = Kept() if absent else await self._book.load(Owner.of(link))
        except ApiError as error:
            known = self._memory.get(link.uid)
            if tolerant and known is not None and known.definitions == _definitions(link):
                return known.view
            return CredentialProblem(
                Reason.SECRET_UNREADABLE,
                f"The Secrets of this Integration cannot be read now ({error.reason or error.status}).",
                lasting=False,
                retry_after=error.retry_after or 5.0,
            )
        view = self._judge(link, source, kept)
        read = _version_of(source), _version_of(kept if isinstance(kept, Kept) else None)
        self._memory[link.uid] = _Memory(
            _definitions(link), names, watched, read, self._clock.monotonic(), self._same(link, view)
        )
        self._memory.move_to_end(link.uid)
        if len(self._memory) > self._remember:
            self._memory.popitem(last=False)
        return self._memory[link.uid].view if link.uid in self._memory else view

    def _same(self, link: Link, view: View | CredentialProblem) -> View | CredentialProblem:
        """The view that is remembered, if this one says nothing else."""
        known = self._memory.get(link.uid)
        if (
            known is not None
            and isinstance(known.view, View)
            and isinstance(view, View)
            and known.definitions == _definitions(link)
            and (known.view.kept, known.view.source) == (view.kept, view.source)
        ):
            return known.view
        return view

    async def _source(self, link: Link) -> SecretRead | None:
        reference = link.spec.credentials.secret_ref
        return await self._secrets.read(link.namespace, reference.name) if reference is not None else None

    # ------------------------------------------------------------------ judgement

    def _judge(
        self, link: Link, source: SecretRead | None, kept: Kept | CredentialProblem
    ) -> View | CredentialProblem:
        if isinstance(kept, CredentialProblem):
            return kept
        needed = _needed(link)
        if source is None:
            if not kept.given and needed:
                return _no_secret(link, needed)
            return self._view(link, None, _as_named(link.mode, kept.given), kept)
        name = link.spec.credentials.secret_ref.name if link.spec.credentials.secret_ref else ""
        if source.state is SecretState.DENIED:
            return CredentialProblem(
                Reason.SECRET_ACCESS_DENIED,
                f"The hub may not read Secret {name}: namespace {link.namespace} does not let it in yet. To "
                f"change that: {self._consent.command(link.namespace)}",
            )
        if source.state is SecretState.MISSING:
            holding = f" with {listed(needed)}" if needed else ""
            return CredentialProblem(
                Reason.SECRET_NOT_FOUND,
                f"There is no Secret {name} in namespace {link.namespace}: create it{holding}.",
            )
        if source.type == SECRET_TYPE:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} is kept by the hub for itself: name one of your own in secretRef.",
            )
        garbled = next((key for key in needed if key in source.undecodable), None)
        if garbled is not None:
            return _invalid(name, garbled, "it is not text in UTF-8")
        absent = tuple(key for key in needed if not source.data.get(key))
        if absent:
            return _lacking(name, absent)
        client = {name: kept.given[name] for name in CLIENT if name in kept.given}
        return self._view(link, source, {**client, **source.data}, kept)

    def _view(
        self, link: Link, source: SecretRead | None, data: Mapping[str, SecretText], kept: Kept
    ) -> View | CredentialProblem:
        reference = link.spec.credentials.secret_ref
        name = reference.name if reference is not None else Owner.of(link).secret_name
        values = secret_values.read(link.mode, data)
        if isinstance(values, MissingKeys):
            return _lacking(name, values.keys)
        if isinstance(values, InvalidKey):
            return _invalid(name, values.key, values.problem)
        return View(kept, source, values)


def listed(keys: tuple[str, ...]) -> str:
    return ("key " if len(keys) == 1 else "keys ") + " and ".join(keys)


def _needed(link: Link) -> tuple[str, ...]:
    """The scheme's keys, and those that the provider's credentialsSchema requires besides."""
    keys = secret_values.needed(link.mode)
    schema = ConfigSchema.read(link.provider.credentials_schema)
    required = schema.schema.get("required", ()) if isinstance(schema, ConfigSchema) and keys else ()
    return tuple(dict.fromkeys((*keys, *required)))


def _as_named(mode: AuthMode, given: Mapping[str, SecretText]) -> dict[str, SecretText]:
    """What was given over HTTP under the scheme's names, under those that a Secret would have."""
    named = dict(given)
    if mode.type is AuthType.BEARER:
        token = given.get("token") or given.get(ACCESS_TOKEN) or given.get("apiKey")
        named |= {"token": token} if token else {}
    elif mode.type is AuthType.API_KEY and not given.get("apiKey") and given.get(ACCESS_TOKEN):
        named["apiKey"] = given[ACCESS_TOKEN]
    return {**{mode.secret_keys.get(name, name): value for name, value in named.items()}, **named}


def _no_secret(link: Link, needed: tuple[str, ...]) -> CredentialProblem:
    return CredentialProblem(
        Reason.SECRET_REF_MISSING,
        f"Mode {link.mode.type.value} needs credentials: put {listed(needed)} into a Secret of namespace "
        f"{link.namespace} and name it in spec.credentials.secretRef.",
    )


def _lacking(name: str, keys: tuple[str, ...]) -> CredentialProblem:
    return CredentialProblem(
        Reason.SECRET_KEY_MISSING, f"Secret {name} lacks {listed(keys)}: add it with a value."
    )


def _invalid(name: str, key: str, problem: str) -> CredentialProblem:
    return CredentialProblem(
        Reason.SECRET_KEY_INVALID, f"Key {key} of Secret {name} cannot be used: {problem}."
    )


def _names(link: Link) -> tuple[str, str]:
    """The Secret that the spec names, empty if it names none, and the hub's own."""
    reference = link.spec.credentials.secret_ref
    return reference.name if reference is not None else "", Owner.of(link).secret_name


def _definitions(link: Link) -> tuple[int, str, int]:
    return link.generation, link.provider_uid, link.provider_generation


def _version_of(read: SecretRead | Kept | None) -> _Version:
    if isinstance(read, Kept):
        return (read.uid, read.version) if read.uid else "missing"
    if read is None or read.state is not SecretState.FOUND:
        return "missing"
    return read.uid, read.resource_version
