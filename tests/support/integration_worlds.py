"""Worlds of an Integration for tests of its decisions: a good one, and any one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
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
    SecretFacts,
    Sibling,
)
from integration_hub.ports import SecretState

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


GOOD_SECRET = SecretFacts(SecretState.FOUND, "7")
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
    keys=("token",),
    secret=GOOD_SECRET,
    secret_version="7",
    facts=HealthFacts(),
    consent=Consent("integration-hub", "integration-hub"),
    now=NOON,
    tick=1000.0,
    jitter=0.5,
)
"""Everything in order, the Secret just read, nothing tried yet."""


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

secrets = st.one_of(
    st.none(),
    st.just(GOOD_SECRET),
    st.just(SecretFacts(SecretState.MISSING)),
    st.just(SecretFacts(SecretState.DENIED)),
    st.just(SecretFacts(SecretState.FOUND, "8", missing=("token",))),
    st.just(SecretFacts(SecretState.FOUND, "9", invalid={"token": "it is odd"})),
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
        "credentials": st.just({}),
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
        keys={"BEARER": ("token",), "NONE": (), "OAUTH2": ("accessToken",), None: ()}[mode],
        secret=draw(secrets),
        secret_version=draw(st.sampled_from([None, "", "7"])),
        jitter=draw(st.floats(0, 0.999)),
    )
