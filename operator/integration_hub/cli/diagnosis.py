"""What is wrong with a connection: five checks in the order in which a person would make them.

Pure: from an Integration as the API server has it, and from the log of its calls where there is one, to
verdicts. The hub's own conditions say what was found; this says what that means for each check, and what to
do. The order of *what happens* differs from the order of the checks: an address is judged before a connection
is tried, and credentials can be refused only by who was reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = Any


class Verdict(StrEnum):
    OK = "ok"
    FAILED = "failed"
    WARN = "warn"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Check:
    """One of the five. `way_out` is empty where there is nothing to do."""

    title: str
    verdict: Verdict
    told: str
    way_out: str = ""


CREDENTIALS, NETWORK, ENDPOINT, FIREWALL, RATES = (
    "Credentials",
    "Network reach",
    "Endpoint access",
    "Firewall and allow-list",
    "Rate limits",
)
TITLES = (CREDENTIALS, NETWORK, ENDPOINT, FIREWALL, RATES)

_CONNECT = "kubectl hub connect {name} -n {namespace}"
WAYS_OUT: Mapping[str, tuple[str, str]] = {
    # What has to be there before anything can be sent
    "SecretRefMissing": (CREDENTIALS, "name a Secret in spec.credentials.secretRef"),
    "SecretNotFound": (CREDENTIALS, "make it: {make}"),
    "SecretAccessDenied": (CREDENTIALS, "let the hub in: kubectl hub tenant add {namespace}"),
    "SecretKeyMissing": (CREDENTIALS, "add the key to the Secret; kubectl hub provider schema {provider}"),
    "SecretKeyInvalid": (CREDENTIALS, "put text into the key, without a line break at its end"),
    "SecretUnreadable": (CREDENTIALS, "the API server could not be asked; the hub tries again by itself"),
    "VaultNotConfigured": (CREDENTIALS, "ask an administrator to connect the hub to Vault, or use secretRef"),
    "VaultUnavailable": (CREDENTIALS, "ask an administrator to look at Vault; the hub tries again by itself"),
    "VaultAccessDenied": (CREDENTIALS, "ask an administrator to let the hub's policy read that path"),
    "EncryptionError": (
        CREDENTIALS,
        "give the hub the key that sealed them back, or connect anew: " + _CONNECT,
    ),
    "OAuthClientMissing": (CREDENTIALS, "ask an administrator for an OAuth client of {provider}"),
    "AuthTypeUnsupported": (CREDENTIALS, "choose another spec.authType: kubectl hub provider get {provider}"),
    "PendingAuthorization": (CREDENTIALS, _CONNECT),
    # Who was reached refused them
    "InvalidCredentials": (
        CREDENTIALS,
        "put a valid key into the {place}, or connect anew: " + _CONNECT,
    ),
    "ReauthRequired": (CREDENTIALS, _CONNECT),
    "RefreshFailed": (CREDENTIALS, "the hub goes on trying; see kubectl hub logs {name} -n {namespace}"),
    # Judged before a connection is tried
    "AddressBlocked": (FIREWALL, "ask an administrator to add the address to the chart's egress.allow"),
    "InvalidURL": (FIREWALL, "mend the address in spec.config: kubectl hub provider schema {provider}"),
    "ProviderChanged": (FIREWALL, "agree to the new hosts in spec.providerRef.acceptedHosts"),
    # On the way
    "NameNotResolved": (NETWORK, "check the host's spelling in spec.config, and the cluster's DNS"),
    "ConnectionFailed": (
        NETWORK,
        "check that it runs, and that no firewall or NetworkPolicy closes its port",
    ),
    "Timeout": (NETWORK, "raise spec.timeoutSeconds, or look for a firewall that drops packets"),
    "TLSFailed": (
        NETWORK,
        "give the hub its certificate authority (chart: egress.ca), or renew the certificate",
    ),
    "ProtocolError": (NETWORK, "check the port: what answers there does not speak HTTP"),
    # What the far end says
    "UpstreamError": (ENDPOINT, "see the vendor's status page; the hub goes on trying"),
    "UnexpectedAnswer": (ENDPOINT, "check base URL and scopes; kubectl hub logs {name} -n {namespace}"),
    "ConfigRefused": (ENDPOINT, "check spec.config and the account's scopes"),
    "ConfigInvalid": (ENDPOINT, "mend spec.config: kubectl hub provider schema {provider}"),
    "SecretInConfig": (ENDPOINT, "move it to the Secret that spec.credentials.secretRef names"),
    "ProviderNotFound": (ENDPOINT, "kubectl hub provider list shows what there is"),
    "ProviderNotShared": (ENDPOINT, "ask the provider's owner to add {namespace} to spec.sharedWith"),
    "ProviderInvalid": (ENDPOINT, "mend the provider: its conditions say where"),
    "ProviderInactive": (ENDPOINT, "the provider takes no new calls; choose another"),
    "Duplicate": (ENDPOINT, "remove one of the two, or tell them apart by spec.instance"),
    "InvalidSpec": (ENDPOINT, "mend the spec: kubectl explain integration.spec"),
    # How much of it
    "RateLimited": (RATES, "the hub waits as long as it was asked to; call less, or ask the vendor for more"),
    "CircuitOpen": (RATES, "trial calls go on by themselves; the last error says why it opened"),
    "EgressOverloaded": (RATES, "the hub has too many calls under way: raise the chart's http.pool"),
}
"""Reason of a condition to the check that it belongs to, and the way out."""

_NOTHING_SENT = frozenset(
    reason
    for reason, (title, _) in WAYS_OUT.items()
    if title in {CREDENTIALS, FIREWALL}
    and reason not in {"InvalidCredentials", "ReauthRequired", "RefreshFailed"}
) | frozenset(
    {
        *("ConfigInvalid", "SecretInConfig", "ProviderNotFound", "ProviderNotShared", "ProviderInvalid"),
        *("ProviderInactive", "Duplicate", "InvalidSpec", "CircuitOpen", "EgressOverloaded"),
    }
)
"""Reasons for which no request leaves the hub, so that nothing is known of what lies behind."""
_WELL = {
    CREDENTIALS: "they are there, and were accepted",
    NETWORK: "the name resolves, and somebody answers",
    ENDPOINT: "it answers as the provider's definition expects",
    FIREWALL: "the address is one that the hub may call",
    RATES: "no refusal for too many calls",
}


def diagnose(found: Json, calls: Sequence[Json] | None = None, *, tested: bool = False) -> list[Check]:
    """The five checks of an Integration. `calls`: its latest logged calls, None where they are not known.

    `tested`: its last test is of this moment, and says more than `Ready`, which one failure does not change.
    """
    reason, message = (_failed_test(found) if tested else None) or _trouble(found)
    title, way_out = WAYS_OUT.get(reason, ("", ""))
    words = _words(found)
    checks = []
    for each in TITLES:
        if each == title:
            checks.append(Check(each, Verdict.FAILED, message or reason, way_out.format_map(words)))
        elif reason and not title:
            checks.append(Check(each, Verdict.UNKNOWN, f"{reason}: {message}"))
        else:
            checks.append(_other(each, reason, found))
    return [_by_calls(check, calls) if check.title == RATES else check for check in checks]


# --------------------------------------------------------------------------- inside


def _failed_test(found: Json) -> tuple[str, str] | None:
    last = (found.get("status") or {}).get("lastTest") or {}
    if last.get("result") in {None, "healthy"} or not last.get("reason"):
        return None
    return str(last["reason"]), str(last.get("message") or "")


def _trouble(found: Json) -> tuple[str, str]:
    """Reason and message of what keeps it from being Ready; empty if nothing does."""
    status = found.get("status") or {}
    told = {each["type"]: each for each in status.get("conditions") or ()}
    ready = told.get("Ready") or {}
    if ready.get("status") == "True":
        return "", ""
    return str(ready.get("reason") or "Pending"), str(
        ready.get("message") or "the hub has not looked at it yet"
    )


def _other(title: str, reason: str, found: Json) -> Check:
    """A check that is not the one that fails: well, as far as what fails lets one tell."""
    if not reason:
        return Check(title, Verdict.OK, _WELL[title])
    sent = reason not in _NOTHING_SENT
    reached = sent and WAYS_OUT[reason][0] != NETWORK
    if title == FIREWALL and (sent or reason in {"CircuitOpen", "EgressOverloaded"}):
        return Check(title, Verdict.OK, _WELL[title])
    if title == NETWORK and reached:
        return Check(title, Verdict.OK, _WELL[title])
    if title == CREDENTIALS:
        return _credentials(found, reached=reached)
    if title == ENDPOINT and reached:
        return Check(title, Verdict.OK, "it answers")
    if title == RATES and reached:
        return Check(title, Verdict.OK, _WELL[title])
    behind = "nothing is sent before that is mended" if not sent else "nobody was reached"
    return Check(title, Verdict.UNKNOWN, f"{behind} ({reason})")


def _credentials(found: Json, *, reached: bool) -> Check:
    told = {each["type"]: each for each in (found.get("status") or {}).get("conditions") or ()}
    ready = told.get("CredentialsReady") or {}
    if ready.get("status") != "True":
        return Check(CREDENTIALS, Verdict.UNKNOWN, str(ready.get("message") or "not looked at yet"))
    return Check(CREDENTIALS, Verdict.OK, _WELL[CREDENTIALS] if reached else "they are there; not tried yet")


def _by_calls(check: Check, calls: Sequence[Json] | None) -> Check:
    """Refusals for too many calls, also those that came to nothing worse."""
    if calls is None or check.verdict is Verdict.FAILED:
        return check
    limited = sum(each.get("status") == 429 or each.get("outcome") == "RateLimited" for each in calls)
    if not limited:
        return check
    told = f"{limited} of the last {len(calls)} logged calls were refused as too many"
    return Check(check.title, Verdict.WARN, told, WAYS_OUT["RateLimited"][1])


def _words(found: Json) -> dict[str, str]:
    spec, metadata = found["spec"], found["metadata"]
    named, namespace = spec.get("credentials") or {}, metadata["namespace"]
    if named.get("vaultRef"):
        place = f"Vault secret {named['vaultRef'].get('path')}"
        make = "vault kv put, at the path that the message names"
    else:
        secret = (named.get("secretRef") or {}).get("name") or "NAME"
        place = f"Secret {secret}"
        make = f"kubectl create secret generic {secret} -n {namespace} --from-literal=KEY=VALUE"
    return {
        "name": str(metadata["name"]),
        "namespace": str(namespace),
        "place": place,
        "make": make,
        "provider": str(spec["providerRef"]["name"]),
    }
