"""Links: what makes a connection usable, what a caller is told where it is not, and what is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.api.provider import CLUSTER_INTEGRATION_PROVIDER
from integration_hub.ports import Key, Link, NoLink
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.reconcilers.integration_links import declare_indexes
from integration_hub.runtime.cache import CachedObject, ObjectCache
from memory_store import WallClock

EXPRESSIONS = CelExpressions()
PROVIDER: dict[str, Any] = {
    "displayName": "Example",
    "category": "custom",
    "baseUrl": "https://{{ config.site }}.example.com/v1",
    "configSchema": {"site": {"type": "string", "default": "www"}},
    "authModes": [{"type": "BEARER"}, {"type": "OAUTH2"}],
    "oauth": {
        "tokenUrl": "https://{{ config.site }}-auth.example.com/token",
        "revokeUrl": "https://revoke.example.com",
    },
}


class World:
    """A cache with one provider and one Integration, to be changed as a user would."""

    def __init__(self) -> None:
        self.cache = ObjectCache()
        declare_indexes(self.cache)
        self.loads = 0
        reader = ProviderReader(self.cache, EXPRESSIONS)
        self.linker = Linker(self.cache, reader, EXPRESSIONS, WallClock(), remember=2)
        self._version = 0
        self.provider()

    def provider(self, generation: int = 1, uid: str = "uid-p", **changes: Any) -> None:
        spec = {name: value for name, value in {**PROVIDER, **changes}.items() if value is not None}
        self._put(CLUSTER_INTEGRATION_PROVIDER.kind, "", "example", uid, generation, {"spec": spec})

    def integration(
        self,
        name: str = "chat",
        *,
        generation: int = 1,
        created: str = "2026-11-21T10:00:00Z",
        status: dict[str, Any] | None = None,
        deleting: bool = False,
        **spec: Any,
    ) -> CachedObject:
        body = {"spec": {"providerRef": {"name": "example"}, **spec}, "status": status or {}}
        metadata = {"creationTimestamp": created}
        if deleting:
            metadata["deletionTimestamp"] = created
        self._put(INTEGRATION.kind, "team-a", name, f"uid-{name}", generation, body, **metadata)
        found = self.cache.get(Key(INTEGRATION.kind, "team-a", name))
        assert found is not None
        return found

    def link(self, **changes: Any) -> Link | NoLink:
        return self.linker.link(self.integration(**changes))

    def _put(
        self, kind: str, namespace: str, name: str, uid: str, generation: int, body: Any, **metadata: Any
    ) -> None:
        self._version += 1
        known = {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": generation,
            "resourceVersion": str(self._version),
            **metadata,
        }
        self.cache.upsert(kind, {"metadata": known, **body})


def refused(found: Link | NoLink) -> tuple[str, ErrorCode]:
    assert isinstance(found, NoLink), found
    return found.reason.value, found.problem.code


def test_a_link_has_all_that_a_call_goes_by() -> None:
    link = World().link(config={"site": "acme"})
    assert isinstance(link, Link)
    assert (link.key.name, link.uid, link.provider_name) == ("chat", "uid-chat", "example")
    assert link.mode.type == "BEARER"
    assert link.config == {"site": "acme"}
    assert link.hosts == ("acme.example.com",)


def test_defaults_of_the_schema_are_filled_in() -> None:
    link = World().link()
    assert isinstance(link, Link)
    assert link.config == {"site": "www"}


def test_a_mode_that_obtains_tokens_pins_their_endpoints_too() -> None:
    link = World().link(authType="OAUTH2", config={"site": "acme"})
    assert isinstance(link, Link)
    assert link.hosts == ("acme.example.com", "acme-auth.example.com", "revoke.example.com")


REAUTH = {
    "conditions": [
        {"type": "TokenValid", "status": "False", "reason": "ReauthRequired", "message": "Connect."}
    ]
}
PINNED = {
    "acceptedProvider": {
        "provider": "ClusterIntegrationProvider example",
        "uid": "uid-old",
        "generation": 1,
        "hosts": ["elsewhere.example.com"],
    }
}


@pytest.mark.parametrize(
    ("changes", "reason", "code"),
    [
        pytest.param({"enabled": False}, "Paused", ErrorCode.INVALID_CONFIGURATION, id="switched-off"),
        pytest.param({"deleting": True}, "Deleting", ErrorCode.INTEGRATION_NOT_FOUND, id="going"),
        pytest.param(
            {"environment": "STAGING"}, "InvalidSpec", ErrorCode.INVALID_CONFIGURATION, id="unreadable"
        ),
        pytest.param(
            {"providerRef": {"name": "gone"}},
            "ProviderNotFound",
            ErrorCode.INVALID_CONFIGURATION,
            id="no-provider",
        ),
        pytest.param(
            {"config": {"site": 7}}, "ConfigInvalid", ErrorCode.INVALID_CONFIGURATION, id="wrong-config"
        ),
        pytest.param(
            {"config": {"site": "a/../b"}},
            "ConfigInvalid",
            ErrorCode.INVALID_CONFIGURATION,
            id="bent-address",
        ),
        pytest.param(
            {"authType": "BASIC"}, "AuthTypeUnsupported", ErrorCode.INVALID_CONFIGURATION, id="no-such-mode"
        ),
        pytest.param({"status": REAUTH}, "ReauthRequired", ErrorCode.REAUTH_REQUIRED, id="revoked"),
        pytest.param(
            {"status": PINNED}, "ProviderChanged", ErrorCode.INVALID_CONFIGURATION, id="nobody-agreed"
        ),
    ],
)
def test_a_call_is_refused_with_the_word_that_the_status_has(
    changes: dict[str, Any], reason: str, code: ErrorCode
) -> None:
    found = World().link(**changes)
    assert refused(found) == (reason, code)
    assert isinstance(found, NoLink)
    assert reason in found.problem.details
    assert "chat" in found.problem.details


def test_the_younger_of_two_twins_is_refused_and_the_older_is_not() -> None:
    world = World()
    older = world.integration("older", created="2026-11-21T09:00:00Z")
    assert refused(world.link())[0] == "Duplicate"
    assert isinstance(world.linker.link(older), Link)


def test_an_answer_is_remembered_until_something_it_rests_on_changes() -> None:
    world = World()
    observed = world.integration()
    first = world.linker.link(observed)
    assert world.linker.link(observed) is first
    world.provider(2, state="INACTIVE")
    assert refused(world.linker.link(observed))[0] == "ProviderInactive"
    world.provider(3)
    assert isinstance(world.linker.link(observed), Link)
    assert refused(world.link(generation=2, enabled=False))[0] == "Paused"
    assert isinstance(world.link(generation=3), Link)
    assert refused(world.link(generation=3, status=REAUTH))[0] == "ReauthRequired"


def test_no_more_is_remembered_than_was_meant_to() -> None:
    world = World()
    for number in range(5):
        world.link(name=f"chat-{number}", instance=f"i{number}")
    assert len(world.linker._memory) == 2


def test_one_that_is_going_can_still_end_its_grant_even_if_it_was_switched_off() -> None:
    world = World()
    observed = world.integration(deleting=True, enabled=False)
    assert isinstance(world.linker.parting(observed, observed.load()), Link)
