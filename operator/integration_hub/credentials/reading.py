"""What a connection's credentials are made of, read from their place and remembered while they do not change.

The metadata-only watch tells versions, so a connection whose Secrets have not changed costs no read.
Where no watch tells (Vault, a namespace that is not followed, a feed that is down), what was read counts for
a few seconds. While a place cannot be asked, what was read last goes on counting: the data plane outlives
the control plane, and Vault.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integration_hub.api.authentication import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.credentials.flights import Flights
from integration_hub.credentials.owned_secret import Kept, OwnedBook, Owner
from integration_hub.ports import (
    ApiError,
    Clock,
    CredentialProblem,
    Link,
    SecretRead,
    SecretSource,
    SecretState,
    SecretText,
    SecretVersions,
    SourceVersion,
)
from integration_hub.providers import secret_values
from integration_hub.providers.auth import InvalidKey, MissingKeys
from integration_hub.providers.secret_values import ACCESS_TOKEN, CLIENT, Values, listed, needed_by

UNWATCHED_SECONDS = 5.0
"""How long the hub's own Secret counts as it was read, where no watch tells of it."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What was read at one moment.

    `values` by their own names and the scheme's; `source` what the place that the spec names holds, if it
    names one; `unread` why that cannot be asked now, so that what it held last counts. A view stands for
    one state: as long as nothing changes, it is the same object.
    """

    kept: Kept
    source: SecretRead | None = None
    values: Values = field(default_factory=dict, repr=False)
    unread: CredentialProblem | None = None

    @property
    def version(self) -> str:
        named = self.source.resource_version if self.source is not None else ""
        return f"{named}/{self.kept.version}"

    @property
    def secret_version(self) -> str:
        return self.source.resource_version if self.source is not None else ""


@dataclass(slots=True)
class _Memory:
    """An answer with all that it rests on: the definitions, what was known then, what was read.

    Of the pairs, the first is about the place that the spec names, `source`, the second about the hub's
    own Secret.
    """

    definitions: tuple[int, str, int]
    source: SecretSource | None
    known: tuple[SourceVersion, SourceVersion]
    read: tuple[SourceVersion, SourceVersion]
    at: float
    view: View | CredentialProblem


class Reading:
    """Reads; belongs to one event loop. Remembers the `remember` connections used last."""

    def __init__(
        self,
        sources: Sequence[SecretSource],
        book: OwnedBook,
        versions: SecretVersions,
        clock: Clock,
        *,
        remember: int = 10_000,
    ) -> None:
        self._sources = tuple(sources)
        self._book = book
        self._versions = versions
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
        named, own = self._versions_of(link, known.source)
        if own == "unknown":
            if self._clock.monotonic() - known.at > UNWATCHED_SECONDS:
                return False
        elif own not in (known.known[1], known.read[1]):
            return False
        if known.source is None or named != "unknown":
            return named in (known.known[0], known.read[0])
        return self._clock.monotonic() - known.at <= known.source.unwatched_seconds

    def _versions_of(self, link: Link, source: SecretSource | None) -> tuple[SourceVersion, SourceVersion]:
        own = self._versions.version(link.namespace, Owner.of(link).secret_name)
        return source.version(link) if source is not None else "missing", own

    async def _read(self, link: Link, *, tolerant: bool) -> View | CredentialProblem:
        source = next((each for each in self._sources if each.named(link)), None)
        known = self._versions_of(link, source)
        try:
            found = await source.read(link) if source is not None else None
            # Most connections have no Secret of the hub's, and the watch knows: one request less for each.
            absent = tolerant and known[1] == "missing" and link.uid not in self._written
            kept = Kept() if absent else await self._book.load(Owner.of(link))
        except ApiError as error:
            before = self._memory.get(link.uid)
            if tolerant and before is not None and before.definitions == _definitions(link):
                return before.view
            return CredentialProblem(
                Reason.SECRET_UNREADABLE,
                f"The Secrets of this Integration cannot be read now ({error.reason or error.status}).",
                lasting=False,
                retry_after=error.retry_after or 5.0,
            )
        view = self._judge(link, *self._last_good(link, found), kept)
        read = _version_of(found), _version_of(kept)
        at = self._clock.monotonic()
        return self._keep(link, _Memory(_definitions(link), source, known, read, at, self._same(link, view)))

    def _last_good(
        self, link: Link, found: SecretRead | CredentialProblem | None
    ) -> tuple[SecretRead | CredentialProblem | None, CredentialProblem | None]:
        """What was read last where the place cannot be asked now, and why it cannot."""
        before = self._memory.get(link.uid)
        if not isinstance(found, CredentialProblem) or found.lasting or before is None:
            return found, None
        if not isinstance(before.view, View) or before.definitions != _definitions(link):
            return found, None
        return before.view.source, replace(found, retry_after=None)

    def _keep(self, link: Link, memory: _Memory) -> View | CredentialProblem:
        self._memory[link.uid] = memory
        self._memory.move_to_end(link.uid)
        if len(self._memory) > self._remember:
            self._memory.popitem(last=False)
        return memory.view

    def _same(self, link: Link, view: View | CredentialProblem) -> View | CredentialProblem:
        """The view that is remembered, if this one says nothing else."""
        known = self._memory.get(link.uid)
        if (
            known is not None
            and isinstance(known.view, View)
            and isinstance(view, View)
            and known.definitions == _definitions(link)
            and (known.view.kept, known.view.source, known.view.unread)
            == (view.kept, view.source, view.unread)
        ):
            return known.view
        return view

    # ------------------------------------------------------------------ judgement

    def _judge(
        self,
        link: Link,
        source: SecretRead | CredentialProblem | None,
        unread: CredentialProblem | None,
        kept: Kept | CredentialProblem,
    ) -> View | CredentialProblem:
        if isinstance(kept, CredentialProblem):
            return kept
        if isinstance(source, CredentialProblem):
            return source
        needed = needed_by(link)
        if source is None:
            if not kept.given and needed:
                return _no_secret(link, needed)
            return self._view(link, None, _as_named(link.mode, kept.given), kept)
        place = link.spec.credentials.place
        garbled = next((key for key in needed if key in source.undecodable), None)
        if garbled is not None:
            return _invalid(place, garbled, "it is not text in UTF-8")
        absent = tuple(key for key in needed if not source.data.get(key))
        if absent:
            return _lacking(place, absent)
        client = {name: kept.given[name] for name in CLIENT if name in kept.given}
        view = self._view(link, source, {**client, **source.data}, kept)
        return replace(view, unread=unread) if isinstance(view, View) and unread is not None else view

    def _view(
        self, link: Link, source: SecretRead | None, data: Mapping[str, SecretText], kept: Kept
    ) -> View | CredentialProblem:
        place = link.spec.credentials.place or f"Secret {Owner.of(link).secret_name}"
        values = secret_values.read(link.mode, data)
        if isinstance(values, MissingKeys):
            return _lacking(place, values.keys)
        if isinstance(values, InvalidKey):
            return _invalid(place, values.key, values.problem)
        return View(kept, source, values)


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


def _lacking(place: str, keys: tuple[str, ...]) -> CredentialProblem:
    return CredentialProblem(Reason.SECRET_KEY_MISSING, f"{place} lacks {listed(keys)}: add it with a value.")


def _invalid(place: str, key: str, problem: str) -> CredentialProblem:
    return CredentialProblem(Reason.SECRET_KEY_INVALID, f"Key {key} of {place} cannot be used: {problem}.")


def _definitions(link: Link) -> tuple[int, str, int]:
    return link.generation, link.provider_uid, link.provider_generation


def _version_of(read: SecretRead | Kept | CredentialProblem | None) -> SourceVersion:
    if isinstance(read, Kept):
        return (read.uid, read.version) if read.uid else "missing"
    if not isinstance(read, SecretRead) or read.state is not SecretState.FOUND:
        return "missing"
    return read.uid, read.resource_version
