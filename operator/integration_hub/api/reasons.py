"""The one vocabulary of condition and Event reasons. Stable: alerts and scripts match on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why a condition has its status: the word on the wire, and its meaning for the reference."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    # Life of any object
    PENDING = "Pending", "not looked at yet"
    SUCCEEDED = "Succeeded", "everything the spec asks for holds"
    PROGRESSING = "Progressing", "on the way; the hub looks again by itself"
    PAUSED = "Paused", "switched off by its owner"
    DELETING = "Deleting", "the object is going away"
    INVALID_SPEC = "InvalidSpec", "the object cannot be read as its kind"
    DUPLICATE = "Duplicate", "an older object already holds this key"
    UNIQUE = "Unique", "no other object holds this key"
    NOT_CHECKED = "NotChecked", "an earlier condition fails, so this one was not looked at"

    # Providers
    PROVIDER_NOT_FOUND = "ProviderNotFound", "providerRef names no provider"
    PROVIDER_NOT_SHARED = "ProviderNotShared", "the provider's namespace does not share it with this one"
    PROVIDER_INVALID = "ProviderInvalid", "the provider's own spec has an error; see its conditions"
    PROVIDER_INACTIVE = "ProviderInactive", "the provider takes no new calls"
    PROVIDER_CHANGED = (
        "ProviderChanged",
        "the provider was replaced, or credentials would go to a host nobody agreed to",
    )
    ACCEPTED = "Accepted", "the object is well formed and in use"
    EXPRESSION_INVALID = "ExpressionInvalid", "a CEL expression does not compile"
    SCHEMA_INVALID = "SchemaInvalid", "a configSchema or credentialsSchema is no schema"

    # Configuration and credentials
    CONFIG_VALID = "ConfigValid", "config matches the provider's schema"
    CONFIG_INVALID = "ConfigInvalid", "config breaks the provider's schema; the message names the field"
    SECRET_IN_CONFIG = "SecretInConfig", "config holds what looks like a secret; move it to the Secret"
    CREDENTIALS_FOUND = "CredentialsFound", "the Secret holds every key that is needed"
    CREDENTIALS_NOT_NEEDED = "CredentialsNotNeeded", "this authentication mode needs no credentials"
    SECRET_NOT_FOUND = "SecretNotFound", "the Secret does not exist"
    SECRET_ACCESS_DENIED = (
        "SecretAccessDenied",
        "the hub does not serve this namespace; the message has the command that lets it",
    )
    SECRET_KEY_MISSING = "SecretKeyMissing", "the Secret lacks a key"
    SECRET_KEY_INVALID = "SecretKeyInvalid", "a key of the Secret is empty or not text"
    SECRET_UNREADABLE = "SecretUnreadable", "the API server could not be asked for the Secret"
    VAULT_NOT_CONFIGURED = (
        "VaultNotConfigured",
        "the spec names a secret of Vault, and the hub is connected to none",
    )
    VAULT_UNAVAILABLE = (
        "VaultUnavailable",
        "Vault is sealed, unreachable, or does not let the hub log in; what was read last stays in use",
    )
    VAULT_ACCESS_DENIED = "VaultAccessDenied", "Vault does not let the hub read this path"
    ENCRYPTION_ERROR = (
        "EncryptionError",
        "what the hub stored cannot be opened with its keys; the message has the way out",
    )
    OAUTH_CLIENT_MISSING = "OAuthClientMissing", "no OAuth client is configured for this provider"
    SECRET_REF_MISSING = "SecretRefMissing", "this authentication mode needs credentials.secretRef"
    AUTH_TYPE_UNSUPPORTED = "AuthTypeUnsupported", "the provider offers no such authentication mode"
    PENDING_AUTHORIZATION = "PendingAuthorization", "a person has to connect the account first"

    TOKEN_VALID = "TokenValid", "the token works, and newer ones are obtained in time"
    TOKEN_PENDING = "TokenPending", "a token is being obtained"
    REFRESH_FAILED = "RefreshFailed", "no newer token can be obtained; the hub goes on trying"
    ROTATION_DUE = "RotationDue", "the credentials are older than spec.credentials.rotation.interval"
    CREDENTIALS_ROTATED = "CredentialsRotated", "a new key is in use, and the old one was ended"
    ROTATION_FAILED = "RotationFailed", "a new key did not prove itself; the old one is in use"
    PROJECTED = "Projected", "the Secret for workloads holds the credentials in use"
    SECRET_NOT_OURS = "SecretNotOurs", "a Secret of that name exists and is not the hub's"
    CLEANUP_ABANDONED = "CleanupAbandoned", "what is left at the outside system could not be undone"

    # Connection
    CONNECTED = "Connected", "the last probes succeeded"
    NO_PROBE = "NoProbe", "the provider declares no probe, so nothing is known"
    PROBE_PENDING = "ProbePending", "the first probe is on its way"
    INVALID_CREDENTIALS = "InvalidCredentials", "the outside system refused the credentials"
    REAUTH_REQUIRED = "ReauthRequired", "the grant was revoked; a person has to connect again"
    RATE_LIMITED = "RateLimited", "the outside system asked for fewer calls"
    UPSTREAM_ERROR = "UpstreamError", "the outside system failed"
    UNEXPECTED_ANSWER = "UnexpectedAnswer", "the answer is none the provider's definition expects"
    CONFIG_REFUSED = "ConfigRefused", "the outside system refused the request itself"
    ADDRESS_BLOCKED = "AddressBlocked", "the address is not one the hub may call"
    INVALID_URL = "InvalidURL", "the address cannot be read"
    NAME_NOT_RESOLVED = "NameNotResolved", "DNS knows no such name"
    CONNECTION_FAILED = "ConnectionFailed", "nobody answered at the address"
    TLS_FAILED = "TLSFailed", "the certificate or the handshake is not right"
    TIMEOUT = "Timeout", "no answer within timeoutSeconds"
    PROTOCOL_ERROR = "ProtocolError", "the answer was no valid HTTP"
    EGRESS_OVERLOADED = "EgressOverloaded", "too many calls wait to go out"
    CIRCUIT_OPEN = "CircuitOpen", "too many calls in a row failed; none is made for a while"
    CIRCUIT_CLOSED = "CircuitClosed", "calls go through again"
    LATENCY_ANOMALOUS = "LatencyAnomalous", "answers take much longer than is usual for this connection"
    ERRORS_ANOMALOUS = "ErrorsAnomalous", "far more calls fail than is usual for this connection"
    DISABLED = "Disabled", "spec.enabled is false, or the check is switched off"

    # Products
    HEALTHY = "Healthy", "every signal is good"
    DEGRADED = "Degraded", "it works, but not as it should"
    UNHEALTHY = "Unhealthy", "it does not work"
    OFFLINE = "Offline", "it is silent"
    PROBE_FAILED = "ProbeFailed", "the product does not answer its health endpoint"
    REPORTED_UNHEALTHY = "ReportedUnhealthy", "the product says of itself that it is unwell"
    REPORTED_DEGRADED = "ReportedDegraded", "the product says of itself that it is degraded"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound", "workloadRef names no Deployment"
    WORKLOAD_ACCESS_DENIED = (
        "WorkloadAccessDenied",
        "the hub does not serve this namespace; the message has the command that lets it",
    )
    WORKLOAD_UNAVAILABLE = "WorkloadUnavailable", "the Deployment has too few available replicas"
    WORKLOAD_AVAILABLE = "WorkloadAvailable", "the Deployment is rolled out and available"
    ROLLOUT_IN_PROGRESS = "RolloutInProgress", "a rollout is under way"
    ROLLOUT_FAILED = "RolloutFailed", "a rollout passed its deadline"
    NO_SIGNAL = "NoSignal", "nothing is known of the product yet"

    PRODUCT_REGISTERED = "ProductRegistered", "a product was seen for the first time"
    PRODUCT_UPDATED = "ProductUpdated", "a product was registered with another version"
    KEY_PENDING = "KeyPending", "a key for the product is being made"
    KEY_ISSUED = "KeyIssued", "the Secret holds the key by which the product speaks to the hub"
    KEY_ROTATED = "KeyRotated", "the product has a new key; the one before works until its end"
    KEY_REVOKED = "KeyRevoked", "every earlier key of the product has ended"
    DEPENDENCIES_READY = "DependenciesReady", "every product this one depends on works"
    DEPENDENCY_DOWN = "DependencyDown", "a product this one depends on does not work"
    DEPENDENCY_UNKNOWN = (
        "DependencyUnknown",
        "a product this one depends on is not registered or not known",
    )

    # Healing
    HEAL_IDLE = "NothingToHeal", "there is nothing to heal"
    HEAL_DISABLED = "HealDisabled", "healing is switched off"
    HEAL_ACTION_TAKEN = "HealActionTaken", "an action was taken"
    HEAL_ACTION_FAILED = "HealActionFailed", "an action did not help, or could not be taken"
    HEAL_ACTION_SKIPPED = "HealActionSkipped", "an action was called for and not taken; the message says why"
    HEAL_PROPOSED = "HealProposed", "an action waits for approval"
    HEAL_DRY_RUN = "HealDryRun", "an action would have been taken"
    HEAL_WAITING = "HealWaiting", "the trouble is young, or already passing"
    HEAL_RESTARTED_ELSEWHERE = "HealRestartedElsewhere", "somebody else restarted the Deployment just now"
    HEAL_VERIFYING = "HealVerifying", "an action was taken and its effect is awaited"
    HEAL_SUCCEEDED = "HealSucceeded", "an action helped"
    HEAL_EXHAUSTED = "HealExhausted", "all allowed actions were used; a person is needed"
    HEAL_NO_CONSENT = "HealNoConsent", "nobody entitled to it agreed to healing"
    HEAL_COOLING_DOWN = "HealCoolingDown", "too soon after the last action"
    HEAL_FLAPPING = "HealFlapping", "health changes too often for an action to mean anything"
    HEAL_STORM_BRAKE = "HealStormBrake", "too much of the fleet is unwell at once; all healing is suspended"
    HEAL_GRACE = "HealGrace", "the hub itself was away; it waits before it judges"
    HEAL_REVERTED = "HealReverted", "another manager took the action back, so it is not repeated"
    HEAL_DEPENDENCY_DOWN = "HealDependencyDown", "a product this one depends on is unwell and comes first"
    HEAL_WORKLOAD_PAUSED = "HealWorkloadPaused", "the Deployment is paused"
    HEAL_SCALED_TO_ZERO = "HealScaledToZero", "the Deployment is scaled to zero"
    HEAL_PDB_EXHAUSTED = "HealDisruptionBudgetExhausted", "a disruption budget allows no disruption now"
    HEAL_ACTION_NOT_ALLOWED = "HealActionNotAllowed", "allowedActions does not list a suitable action"
