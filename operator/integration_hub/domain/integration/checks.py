"""The checks an Integration passes before anything is called: accepted, configured, credentials there.

Each is a pure function of the world to a finding with a stable reason and the way out. Where one
fails, those after it are not looked at, and say so.
"""

from __future__ import annotations

from collections.abc import Callable

from integration_hub.api.provider import AuthMode, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.domain import provider as providers
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.config_schema import InvalidConfig
from integration_hub.domain.integration.facts import carried
from integration_hub.domain.integration.world import (
    Address,
    AddressProblem,
    Basis,
    IntegrationWorld,
    KnownProvider,
    SecretFacts,
    owner_namespace,
)
from integration_hub.ports import SecretState

ACCEPTED = "Accepted"
CONFIG_VALID = "ConfigValid"
CREDENTIALS_READY = "CredentialsReady"

_TOKEN_MODES = frozenset(
    {AuthType.OAUTH2, AuthType.OAUTH2_CLIENT_CREDENTIALS, AuthType.JWT_BEARER, AuthType.TWO_STEP}
)
ACCESS_TOKEN = "accessToken"  # noqa: S105 - the name of a Secret's key
"""Key of a Secret under which a token that somebody already obtained lies."""


def as_sent(mode: AuthMode) -> AuthMode:
    """The mode in which a call of this mode is sent: a token, however it was obtained, goes as a bearer."""
    if mode.type not in _TOKEN_MODES:
        return mode
    key = mode.secret_keys.get(ACCESS_TOKEN, ACCESS_TOKEN)
    return mode.model_copy(update={"type": AuthType.BEARER, "secret_keys": {"token": key}})


def label(world: Basis) -> str:
    """The provider that the spec names: for messages, and to tell whether it names another one by now."""
    reference = world.spec.provider_ref
    owner = owner_namespace(reference, world.namespace)
    return f"{reference.kind} {owner}/{reference.name}" if owner else f"{reference.kind} {reference.name}"


# --------------------------------------------------------------------------- accepted


def accepted(world: Basis) -> Finding:
    """Whether the hub takes this Integration on: no other holds its key, and its provider can be used."""
    for check in _ACCEPTANCE:
        failed = check(world)
        if failed is not None:
            return failed
    return holds(Reason.ACCEPTED, f"Uses {label(world)}.{_deprecated(world)}")


def _duplicate(world: Basis) -> Finding | None:
    """The oldest wins, by creationTimestamp and then by uid, so that all replicas agree."""
    oldest = min(world.siblings, key=lambda each: (each.created, each.uid), default=None)
    if oldest is None or (oldest.created, oldest.uid) > (world.created, world.uid):
        return None
    return fails(
        Reason.DUPLICATE,
        f"The older Integration {oldest.name} already connects {label(world)} "
        f"in {world.spec.environment.value}: delete one of the two, or tell them apart with spec.instance.",
    )


def _provider_missing(world: Basis) -> Finding | None:
    reference = world.spec.provider_ref
    owner = owner_namespace(reference, world.namespace)
    found = world.provider
    if owner not in ("", world.namespace) and (
        found is None or not providers.may_use(found.examined.spec, owner, world.namespace)
    ):
        # The same words whether it exists or not: who may not use it may not learn that either.
        return fails(
            Reason.PROVIDER_NOT_SHARED,
            f"No {label(world)} is shared with this namespace: its owner can add "
            f"{world.namespace} to its spec.sharedWith.",
        )
    if found is None:
        listed = f"kubectl get iprov --namespace {owner}" if owner else "kubectl get ciprov"
        return _missing(
            world,
            Reason.PROVIDER_NOT_FOUND,
            f"There is no {label(world)}: correct spec.providerRef, or create it. "
            f"`{listed}` lists what can be connected.",
        )
    return None


def _provider_invalid(world: Basis) -> Finding | None:
    found = _known(world)
    if found.examined.usable:
        return None
    return fails(
        Reason.PROVIDER_INVALID,
        f"{label(world)} has an error which its owner must correct: {found.examined.problems[0].message}",
    )


def _provider_inactive(world: Basis) -> Finding | None:
    if _known(world).examined.spec.state != "INACTIVE":
        return None
    return fails(
        Reason.PROVIDER_INACTIVE,
        f"{label(world)} is INACTIVE and takes no calls: choose another "
        "provider, or ask its owner to set spec.state.",
    )


def _provider_changed(world: Basis) -> Finding | None:
    """Credentials follow a changed provider only to hosts that were in use or that the user names.

    The user's own edits move hosts freely, to another provider too. A provider that was replaced by one
    with the same hosts changes nothing for the credentials.
    """
    strangers = unaccepted_hosts(world)
    if not strangers:
        return None
    return fails(
        Reason.PROVIDER_CHANGED,
        f"{label(world)} was changed and would now send the credentials to {', '.join(strangers)}. Nothing "
        "is sent there. If you agree, add it to spec.providerRef.acceptedHosts.",
    )


def unaccepted_hosts(world: Basis) -> tuple[str, ...]:
    """Hosts that a changed provider asks for and that nobody agreed to."""
    pinned = world.previous.get("acceptedProvider")
    if not pinned or not isinstance(world.address, Address):
        return ()
    found = _known(world)
    if (pinned.get("uid"), pinned.get("generation")) == (found.uid, found.generation):
        return ()
    if pinned.get("provider") not in (None, "", label(world)):
        return ()  # the spec names another provider by now
    agreed = (*pinned.get("hosts", ()), *world.spec.provider_ref.accepted_hosts)
    return tuple(host for host in world.address.hosts if not any(_covers(entry, host) for entry in agreed))


def _covers(entry: str, host: str) -> bool:
    """Whether an accepted host is this one; `*.example.com` stands for all names below example.com."""
    return host == entry or (entry.startswith("*.") and host.endswith(entry[1:]) and len(host) >= len(entry))


def _known(world: Basis) -> KnownProvider:
    if world.provider is None:
        raise LookupError("checks of a provider come after the one that it exists")
    return world.provider


def _deprecated(world: Basis) -> str:
    if _known(world).examined.spec.state != "DEPRECATED":
        return ""
    return " It is DEPRECATED: plan to move to another one."


_ACCEPTANCE: tuple[Callable[[Basis], Finding | None], ...] = (
    _duplicate,
    _provider_missing,
    _provider_invalid,
    _provider_inactive,
    _provider_changed,
)
"""In this order; the first that fails speaks."""


# --------------------------------------------------------------------------- configured


def config_valid(world: Basis) -> Finding:
    """Whether `spec.config` and `spec.region` are what the provider asks for."""
    if world.config is None:
        return not_checked(ACCEPTED)
    if isinstance(world.config, InvalidConfig):
        reason = Reason.SECRET_IN_CONFIG if world.config.has_secret else Reason.CONFIG_INVALID
        return fails(reason, f"{world.config.message}.")
    if isinstance(world.address, AddressProblem):
        reason = Reason.INVALID_URL if world.address.unreadable else Reason.CONFIG_INVALID
        return fails(reason, f"{world.address.message}.")
    return holds(Reason.CONFIG_VALID, "spec.config has what the provider asks for.")


# --------------------------------------------------------------------------- credentials


def credentials_ready(world: IntegrationWorld) -> Finding:
    """Whether the Secret holds what the authentication mode needs. Called once accepted and configured."""
    if world.mode is None:
        return _unsupported_mode(world)
    if world.keys is None:
        return fails(
            Reason.AUTH_TYPE_UNSUPPORTED,
            f"This version of the hub cannot send {world.mode.type.value} requests: choose another of the "
            "provider's modes in spec.authType.",
        )
    if not world.keys:
        return holds(Reason.CREDENTIALS_NOT_NEEDED, f"Mode {world.mode.type.value} needs no credentials.")
    if not world.secret_name:
        return _secret_not_named(world, world.mode, world.keys)
    if world.secret is None:
        return carried(world.previous, CREDENTIALS_READY) or unknown(
            Reason.NOT_CHECKED, "Not looked at while nothing is called."
        )
    return _secret(world, world.secret, world.mode)


def _secret(world: IntegrationWorld, secret: SecretFacts, mode: AuthMode) -> Finding:
    name = f"Secret {world.secret_name}"
    if secret.state is SecretState.DENIED:
        return fails(
            Reason.SECRET_ACCESS_DENIED,
            f"The hub may not read {name}: namespace {world.namespace} does not let it in yet. To change "
            f"that: {world.consent.command(world.namespace)}",
        )
    if secret.state is SecretState.MISSING:
        return _missing(
            world,
            Reason.SECRET_NOT_FOUND,
            f"There is no {name} in namespace {world.namespace}: create it with {_listed(world.keys or ())}.",
        )
    if secret.missing and mode.type in _TOKEN_MODES:
        return _not_authorised(mode, f"{name} holds no {_listed(secret.missing)}")
    if secret.missing:
        return fails(
            Reason.SECRET_KEY_MISSING, f"{name} lacks {_listed(secret.missing)}: add it with a value."
        )
    for key, problem in (secret.invalid or {}).items():
        return fails(Reason.SECRET_KEY_INVALID, f"Key {key} of {name} cannot be used: {problem}.")
    return holds(Reason.CREDENTIALS_FOUND, f"{name} holds what mode {mode.type.value} needs.")


def _secret_not_named(world: IntegrationWorld, mode: AuthMode, keys: tuple[str, ...]) -> Finding:
    if mode.type in _TOKEN_MODES:
        return _not_authorised(mode, "spec.credentials.secretRef names no Secret")
    return fails(
        Reason.SECRET_REF_MISSING,
        f"Mode {mode.type.value} needs credentials: put {_listed(keys)} into a Secret of namespace "
        f"{world.namespace} and name it in spec.credentials.secretRef.",
    )


def _not_authorised(mode: AuthMode, why: str) -> Finding:
    key = mode.secret_keys.get(ACCESS_TOKEN, ACCESS_TOKEN)
    return fails(
        Reason.PENDING_AUTHORIZATION,
        f"{why}. This version of the hub does not obtain {mode.type.value} tokens itself: put one you have "
        f"into a Secret under {key} and name it in spec.credentials.secretRef.",
    )


def _unsupported_mode(world: IntegrationWorld) -> Finding:
    offered = ", ".join(mode.type.value for mode in _known(world).examined.spec.auth_modes)
    wanted = world.spec.auth_type.value if world.spec.auth_type is not None else "the default"
    return fails(
        Reason.AUTH_TYPE_UNSUPPORTED,
        f"The provider has no mode {wanted}: set spec.authType to one of {offered}.",
    )


def _missing(world: Basis, reason: Reason, message: str) -> Finding:
    """Something it refers to is not there: that is wrong, or, right after its creation, not there yet."""
    return unknown(reason, message) if world.young else fails(reason, message)


def not_checked(because: str) -> Finding:
    """What a check says that was not made, since an earlier one does not hold."""
    return unknown(Reason.NOT_CHECKED, f"Not looked at while {because} does not hold.")


def _listed(keys: tuple[str, ...]) -> str:
    return ("key " if len(keys) == 1 else "keys ") + " and ".join(keys)
