"""Worlds of an Integration for tests of its decisions: a good one, and any one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.integration import IntegrationSpec
from integration_hub.api.provider import AuthMode, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import provider
from integration_hub.domain.classification import Outcome
from integration_hub.domain.config_schema import ConfigProblem, InvalidConfig, ValidConfig
from integration_hub.domain.consent import Consent
from integration_hub.domain.integration import (
    Address,
    AddressProblem,
    HealthFacts,
    IntegrationWorld,
    KnownProvider,
    Sibling,
)
from integration_hub.ports import BreakerRow, CredentialFacts, CredentialProblem

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PROVIDER = {
    "displayName": "Slack",
    "category": "communication",
    "baseUrl": "https://slack.com/api",
    "authModes": [{"type": "BEARER"}],
    "probe": {"path": "/auth.test", "intervalSeconds": 60},
}
SPEC = {"providerRef": {"name": "slack"}, "credentials": {"secretRef": {"name": "slack-token"}}}
_EXPRESSIONS = CelExpressions()


def known(generation: int = 1, uid: str = "provider-uid", **changes: Any) -> KnownProvider:
    spec = ProviderSpec.model_validate({**PROVIDER, **changes})
    examined = provider.examine(spec, _EXPRESSIONS)
    return KnownProvider("ClusterIntegrationProvider", "", "slack", uid, generation, examined)


def spec(**changes: Any) -> IntegrationSpec:
    return IntegrationSpec.model_validate({**SPEC, **changes})


GOOD_CREDENTIALS = CredentialFacts("7", "7")
GOOD_ADDRESS = Address("slack.com", ("slack.com",))
GOOD = IntegrationWorld(
    namespace="team-a",
    name="chat",
    uid="uid-m",
    generation=1,
    created="2026-11-21T10:00:00Z",
    spec=spec(),
    previous={},
    test_requested="",
    provider=known(),
    siblings=(),
    config=ValidConfig({}),
    address=GOOD_ADDRESS,
    mode=AuthMode.model_validate({"type": "BEARER"}),
    credentials=GOOD_CREDENTIALS,
    secret_version="7",
    facts=HealthFacts(),
    consent=Consent("integration-hub", "integration-hub"),
    now=NOON,
    tick=1000.0,
    jitter=0.5,
)
"""Everything in order, the credentials just looked at, nothing tried yet."""


def world(**changes: Any) -> IntegrationWorld:
    return replace(GOOD, **changes)


# --------------------------------------------------------------------------- any world

siblings = st.lists(
    st.builds(
        Sibling,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["uid-a", "uid-b", "uid-z"]),
        st.sampled_from(["2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z"]),
    ),
    max_size=3,
    unique_by=lambda each: each.uid,
).map(tuple)

HOUR = timedelta(hours=1)

credentials = st.one_of(
    st.none(),
    st.just(GOOD_CREDENTIALS),
    st.builds(
        CredentialProblem,
        st.sampled_from(
            [
                Reason.SECRET_NOT_FOUND,
                Reason.SECRET_ACCESS_DENIED,
                Reason.SECRET_KEY_MISSING,
                Reason.SECRET_KEY_INVALID,
                Reason.PENDING_AUTHORIZATION,
                Reason.REAUTH_REQUIRED,
            ]
        ),
        st.just("It is not there."),
    ),
    st.builds(
        CredentialFacts,
        st.just("9"),
        st.just("7"),
        expires_at=st.none() | st.sampled_from([NOON - HOUR, NOON + HOUR]),
        refresh_at=st.none() | st.sampled_from([NOON - HOUR / 2, NOON + HOUR / 2]),
        rotated_at=st.none() | st.just(NOON - 48 * HOUR),
        sealed=st.booleans(),
        rotatable=st.booleans(),
    ),
)

circuits = st.none() | st.builds(
    BreakerRow,
    st.sampled_from(["open", "halfOpen"]),
    opened_at=st.just(NOON),
    retry_at=st.sampled_from([NOON - HOUR, NOON + HOUR / 60]),
)

outcomes = st.builds(
    Outcome,
    st.sampled_from(
        [
            Reason.CONNECTED,
            Reason.INVALID_CREDENTIALS,
            Reason.RATE_LIMITED,
            Reason.UPSTREAM_ERROR,
            Reason.TIMEOUT,
            Reason.REAUTH_REQUIRED,
            Reason.EGRESS_OVERLOADED,
            Reason.CIRCUIT_OPEN,
        ]
    ),
    st.sampled_from([0, 200, 401, 503]),
    st.text(max_size=600),
    st.none() | st.floats(0, 86_400),
    st.floats(0, 300),
)

specs = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "healthCheck": st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.booleans(),
                "intervalSeconds": st.sampled_from([5, 60, 86_400]),
                "failureThreshold": st.integers(1, 4),
                "successThreshold": st.integers(1, 4),
            },
        ),
        "credentials": st.sampled_from([{}, {"rotation": {"interval": "1d"}}]),
    },
).map(lambda changes: spec(**changes))

providers = st.one_of(
    st.none(),
    st.builds(known, st.integers(1, 3), st.sampled_from(["provider-uid", "another-uid"])),
    st.just(known(probe=None)),
    st.just(known(state="INACTIVE")),
    st.just(known(baseUrl="nonsense")),
)


@st.composite
def worlds(draw: st.DrawFn) -> IntegrationWorld:
    """Any world that gathering can produce, before its first status."""
    found = draw(providers)
    usable = found is not None and found.examined.usable
    config = draw(st.sampled_from([ValidConfig({}), InvalidConfig((ConfigProblem("a", "a is wrong"),))]))
    valid = usable and isinstance(config, ValidConfig)
    addresses = [GOOD_ADDRESS, Address("new.example", ("new.example",)), AddressProblem("no address")]
    mode = draw(st.sampled_from(["BEARER", "NONE", "OAUTH2"])) if found is not None else None
    return world(
        spec=draw(specs),
        generation=draw(st.integers(1, 5)),
        test_requested=draw(st.sampled_from(["", "now"])),
        provider=found,
        siblings=draw(siblings),
        config=config if usable else None,
        address=draw(st.sampled_from(addresses)) if valid else None,
        mode=AuthMode.model_validate({"type": mode}) if mode else None,
        credentials=draw(credentials),
        circuit=draw(circuits),
        recheck=draw(st.booleans()),
        secret_version=draw(st.sampled_from([None, "", "7"])),
        jitter=draw(st.floats(0, 0.999)),
    )
