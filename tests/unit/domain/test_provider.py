from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import provider
from integration_hub.domain.provider import Examined

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def spec(**changes: Any) -> ProviderSpec:
    return ProviderSpec.model_validate(
        {
            "displayName": "Slack",
            "category": "communication",
            "baseUrl": "https://slack.com/api",
            "authModes": [{"type": "BEARER"}],
            "probe": {"path": "/auth.test"},
            "classes": [
                {"when": "body.ok == false", "result": "config", "message": "Slack says {{ body.error }}"}
            ],
            "configSchema": {"channel": {"type": "string", "required": True}},
            **changes,
        }
    )


def examine(**changes: Any) -> Examined:
    return provider.examine(spec(**changes), CelExpressions())


def test_a_question_mark_of_an_expression_is_no_query() -> None:
    assert examine(baseUrl="https://{{ config.eu ? 'eu' : 'us' }}.x.example/api").usable


def test_a_sound_definition_has_no_problems() -> None:
    examined = examine()
    assert examined.usable
    assert provider.finding(examined).reason is Reason.ACCEPTED
    assert examined.config_schema is not None
    assert examined.config_schema.schema["required"] == ["channel"]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        pytest.param(
            {"configSchema": {"a": {"type": "text"}}}, Reason.SCHEMA_INVALID, "spec.configSchema", id="short"
        ),
        pytest.param({"configSchema": {"type": 7}}, Reason.SCHEMA_INVALID, "spec.configSchema", id="full"),
        pytest.param(
            {"credentialsSchema": {"a": {"type": "text"}}},
            Reason.SCHEMA_INVALID,
            "spec.credentialsSchema",
            id="keys",
        ),
        pytest.param({"baseUrl": "ftp://x.example"}, Reason.INVALID_URL, "spec.baseUrl", id="scheme"),
        pytest.param({"baseUrl": "https://u:p@x.example"}, Reason.INVALID_URL, "spec.baseUrl", id="userinfo"),
        pytest.param({"baseUrl": "https://x.example/?v=1"}, Reason.INVALID_URL, "spec.baseUrl", id="query"),
        pytest.param(
            {"baseUrl": "https://{{ config.a }}.x.example/api?v=1", "configSchema": {"a": "string"}},
            Reason.INVALID_URL,
            "spec.baseUrl",
            id="query after a placeholder",
        ),
        pytest.param(
            {"regions": {"eu": "https://eu.x.example?v=1"}},
            Reason.INVALID_URL,
            "spec.regions.eu",
            id="region with a query",
        ),
        pytest.param({"regions": {"eu": "nonsense"}}, Reason.INVALID_URL, "spec.regions.eu", id="region"),
        pytest.param({"probe": {"path": "me"}}, Reason.INVALID_URL, "spec.probe.path", id="probe-path"),
        pytest.param(
            {"oauth": {"tokenUrl": "http//x"}}, Reason.INVALID_URL, "spec.oauth.tokenUrl", id="token-url"
        ),
        pytest.param(
            {"classes": [{"when": "status ==", "result": "config"}]},
            Reason.EXPRESSION_INVALID,
            "spec.classes[0].when",
            id="class",
        ),
        pytest.param(
            {"classes": [{"when": "config.a == 1", "result": "config"}]},
            Reason.EXPRESSION_INVALID,
            "spec.classes[0].when",
            id="class-with-a-variable-it-does-not-have",
        ),
        pytest.param(
            {"classes": [{"when": "true", "result": "config", "message": "{{ body. }}"}]},
            Reason.EXPRESSION_INVALID,
            "spec.classes[0].message",
            id="class-message",
        ),
        pytest.param(
            {"baseUrl": "https://{{ config.site }"},
            Reason.EXPRESSION_INVALID,
            "spec.baseUrl",
            id="open-brace",
        ),
        pytest.param(
            {
                "baseUrl": "https://{{ config.sit }}.example.com",
                "configSchema": {"site": {"type": "string"}},
            },
            Reason.EXPRESSION_INVALID,
            "spec.baseUrl, in {{ config.sit }}: configSchema has no setting called sit (known: site)",
            id="a-setting-that-nobody-can-make",
        ),
        pytest.param(
            {"baseUrl": "https://{{ site }}.example.com"},
            Reason.EXPRESSION_INVALID,
            "spec.baseUrl",
            id="unknown-variable",
        ),
        pytest.param(
            {"defaultHeaders": {"X-Site": "{{ config. }}"}},
            Reason.EXPRESSION_INVALID,
            "spec.defaultHeaders.X-Site",
            id="header",
        ),
        pytest.param(
            {"entities": [{"name": "issues", "readPath": "/i", "records": "body.("}]},
            Reason.EXPRESSION_INVALID,
            "spec.entities[issues].records",
            id="entity",
        ),
        pytest.param(
            {"widgets": [{"id": "w", "title": "W", "path": "/w", "transform": "1 +"}]},
            Reason.EXPRESSION_INVALID,
            "spec.widgets[w].transform",
            id="widget",
        ),
    ],
)
def test_a_problem_has_a_reason_and_names_its_field(
    changes: dict[str, Any], reason: Reason, words: str
) -> None:
    examined = examine(**changes)
    assert [each.reason for each in examined.problems] == [reason]
    found = provider.finding(examined)
    assert (found.status, found.reason) == ("False", reason)
    assert found.message.startswith(words)


def test_many_problems_are_counted_rather_than_listed() -> None:
    broken = [{"when": "status ==", "result": "config"} for _ in range(5)]
    assert provider.finding(examine(classes=broken)).message.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("shared_with", "owner", "namespace", "allowed"),
    [
        pytest.param([], "", "team-a", True, id="a-clusters-provider-is-for-all"),
        pytest.param([], "team-a", "team-a", True, id="its-own-namespace"),
        pytest.param([], "team-a", "team-b", False, id="not-shared"),
        pytest.param(["team-b"], "team-a", "team-b", True, id="shared-by-name"),
        pytest.param(["team-c"], "team-a", "team-b", False, id="shared-with-others"),
        pytest.param(["*"], "team-a", "team-b", True, id="shared-with-all"),
    ],
)
def test_a_provider_is_used_across_namespaces_only_by_grant(
    shared_with: list[str], owner: str, namespace: str, allowed: bool
) -> None:
    assert provider.may_use(spec(sharedWith=shared_with), owner, namespace) is allowed


def test_the_report_is_the_same_again_until_something_changes() -> None:
    ready = provider.finding(examine())
    first, told = provider.report(ready, integration_count=2, previous={}, generation=3, now=NOON)
    assert told.transition("Ready") is not None
    assert first["updatedAt"] == "2026-11-21T12:00:00Z"
    later = NOON + timedelta(hours=1)
    again, told = provider.report(ready, integration_count=2, previous=first, generation=3, now=later)
    assert again == first
    assert told.transitions == ()
    edited, _ = provider.report(ready, integration_count=2, previous=first, generation=4, now=later)
    assert edited["updatedAt"] == "2026-11-21T13:00:00Z"


def test_a_broken_provider_is_stalled_until_its_author_acts() -> None:
    ready = provider.finding(examine(baseUrl="nonsense"))
    status, _ = provider.report(ready, integration_count=0, previous={}, generation=1, now=NOON)
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "False",
        "Stalled": "True",
    }
