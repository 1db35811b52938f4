"""The checks an Integration passes before its credentials are looked at: accepted, configured.

Each is a pure function of its basis to a finding with a stable reason and the way out. Where one
fails, those after it are not looked at, and say so.
"""

from __future__ import annotations

from collections.abc import Callable

from integration_hub.api.reasons import Reason
from integration_hub.domain import provider as providers
from integration_hub.domain.conditions import Finding, fails, holds, unknown
from integration_hub.domain.config_schema import InvalidConfig
from integration_hub.domain.integration.world import (
    Address,
    AddressProblem,
    Basis,
    KnownProvider,
    owner_namespace,
)
from integration_hub.domain.schedule import FORMS, is_schedule

ACCEPTED = "Accepted"
CONFIG_VALID = "ConfigValid"


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
        listed = f"`kubectl get iprov --namespace {owner}`"
        if not owner:  # the cluster's own may be hidden from who asks, or be in the hub's image
            listed = "`kubectl get ciprov`, or `kubectl hub provider list`,"
        return missing(
            world,
            Reason.PROVIDER_NOT_FOUND,
            f"There is no {label(world)}: correct spec.providerRef, or create it. "
            f"{listed} lists what can be connected.",
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
    """Whether `spec.config` and `spec.region` are what the provider asks for, and `spec.sync` can be kept."""
    if world.config is None:
        return not_checked(ACCEPTED)
    if isinstance(world.config, InvalidConfig):
        reason = Reason.SECRET_IN_CONFIG if world.config.has_secret else Reason.CONFIG_INVALID
        return fails(reason, f"{world.config.message}.")
    if isinstance(world.address, AddressProblem):
        reason = Reason.INVALID_URL if world.address.unreadable else Reason.CONFIG_INVALID
        return fails(reason, f"{world.address.message}.")
    if world.spec.sync.schedule and not is_schedule(world.spec.sync.schedule):
        return fails(Reason.CONFIG_INVALID, f"spec.sync.schedule must be {FORMS}.")
    return holds(Reason.CONFIG_VALID, "spec.config has what the provider asks for.")


def not_checked(because: str) -> Finding:
    """What a check says that was not made, since an earlier one does not hold."""
    return unknown(Reason.NOT_CHECKED, f"Not looked at while {because} does not hold.")


def missing(world: Basis, reason: Reason, message: str) -> Finding:
    """Something it refers to is not there: that is wrong, or, right after its creation, not there yet."""
    return unknown(reason, message) if world.young else fails(reason, message)
