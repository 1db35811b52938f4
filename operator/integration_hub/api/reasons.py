"""The one vocabulary of condition and Event reasons. Stable: alerts and scripts match on them."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition has its status. The value is the word on the wire; the comment is its meaning."""

    # Life of any object
    PENDING = "Pending"  # not looked at yet
    SUCCEEDED = "Succeeded"  # everything the spec asks for holds
    PROGRESSING = "Progressing"  # on the way; look again later
    PAUSED = "Paused"  # switched off by the user
    DELETING = "Deleting"  # going away
    INVALID_SPEC = "InvalidSpec"  # the object cannot be read at all
    DUPLICATE = "Duplicate"  # an older object already holds this key
    UNIQUE = "Unique"  # no other object holds this key

    # Providers
    PROVIDER_NOT_FOUND = "ProviderNotFound"
    PROVIDER_NOT_SHARED = "ProviderNotShared"
    PROVIDER_INVALID = "ProviderInvalid"
    PROVIDER_INACTIVE = "ProviderInactive"
    PROVIDER_CHANGED = "ProviderChanged"
    ACCEPTED = "Accepted"
    EXPRESSION_INVALID = "ExpressionInvalid"
    SCHEMA_INVALID = "SchemaInvalid"

    # Configuration and credentials
    CONFIG_VALID = "ConfigValid"
    CONFIG_INVALID = "ConfigInvalid"
    SECRET_IN_CONFIG = "SecretInConfig"  # noqa: S105 - a reason, not a secret
    CREDENTIALS_FOUND = "CredentialsFound"
    CREDENTIALS_NOT_NEEDED = "CredentialsNotNeeded"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    SECRET_ACCESS_DENIED = "SecretAccessDenied"  # noqa: S105
    SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105
    SECRET_KEY_INVALID = "SecretKeyInvalid"  # noqa: S105
    SECRET_REF_MISSING = "SecretRefMissing"  # noqa: S105
    AUTH_TYPE_UNSUPPORTED = "AuthTypeUnsupported"
    PENDING_AUTHORIZATION = "PendingAuthorization"

    # Connection
    CONNECTED = "Connected"
    NO_PROBE = "NoProbe"
    PROBE_PENDING = "ProbePending"
    INVALID_CREDENTIALS = "InvalidCredentials"
    REAUTH_REQUIRED = "ReauthRequired"
    RATE_LIMITED = "RateLimited"
    UPSTREAM_ERROR = "UpstreamError"
    UNEXPECTED_ANSWER = "UnexpectedAnswer"
    CONFIG_REFUSED = "ConfigRefused"
    ADDRESS_BLOCKED = "AddressBlocked"
    INVALID_URL = "InvalidURL"
    NAME_NOT_RESOLVED = "NameNotResolved"
    CONNECTION_FAILED = "ConnectionFailed"
    TLS_FAILED = "TLSFailed"
    TIMEOUT = "Timeout"
    PROTOCOL_ERROR = "ProtocolError"
    EGRESS_OVERLOADED = "EgressOverloaded"
    DISABLED = "Disabled"

    # Products
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    UNHEALTHY = "Unhealthy"
    OFFLINE = "Offline"
    PROBE_FAILED = "ProbeFailed"
    REPORTED_UNHEALTHY = "ReportedUnhealthy"
    REPORTED_DEGRADED = "ReportedDegraded"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound"
    WORKLOAD_ACCESS_DENIED = "WorkloadAccessDenied"
    WORKLOAD_UNAVAILABLE = "WorkloadUnavailable"
    WORKLOAD_AVAILABLE = "WorkloadAvailable"
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    ROLLOUT_FAILED = "RolloutFailed"
    NO_SIGNAL = "NoSignal"

    # Healing
    HEAL_IDLE = "NothingToHeal"
    HEAL_DISABLED = "HealDisabled"
    HEAL_ACTION_TAKEN = "HealActionTaken"
    HEAL_ACTION_FAILED = "HealActionFailed"
    HEAL_ACTION_SKIPPED = "HealActionSkipped"
    HEAL_PROPOSED = "HealProposed"
    HEAL_DRY_RUN = "HealDryRun"
    HEAL_VERIFYING = "HealVerifying"
    HEAL_SUCCEEDED = "HealSucceeded"
    HEAL_EXHAUSTED = "HealExhausted"
    HEAL_NO_CONSENT = "HealNoConsent"
    HEAL_COOLING_DOWN = "HealCoolingDown"
    HEAL_FLAPPING = "HealFlapping"
    HEAL_STORM_BRAKE = "HealStormBrake"
    HEAL_GRACE = "HealGrace"
    HEAL_REVERTED = "HealReverted"
    HEAL_DEPENDENCY_DOWN = "HealDependencyDown"
    HEAL_WORKLOAD_PAUSED = "HealWorkloadPaused"
    HEAL_SCALED_TO_ZERO = "HealScaledToZero"
    HEAL_PDB_EXHAUSTED = "HealDisruptionBudgetExhausted"
    HEAL_ACTION_NOT_ALLOWED = "HealActionNotAllowed"
