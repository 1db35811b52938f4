from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.api.conditions import MAX_MESSAGE, PENDING, Condition
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions
from integration_hub.domain.conditions import ConditionReport, Finding, fails, holds, unknown

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
PARTS = ("Accepted", "Connected")

GOOD = {
    "Accepted": holds(Reason.ACCEPTED, "accepted"),
    "Connected": holds(Reason.CONNECTED, "connected"),
}


def build(
    findings: Mapping[str, Finding],
    previous: Sequence[Mapping[str, Any]] = (),
    *,
    now: datetime = NOON,
    generation: int = 1,
    reconciling: bool = False,
    stalled: bool = False,
) -> ConditionReport:
    return conditions.build(
        previous,
        findings,
        ready_from=PARTS,
        ready_message="all is well",
        generation=generation,
        now=now,
        reconciling=reconciling,
        stalled=stalled,
    )


def by_type(report: ConditionReport) -> dict[str, dict[str, Any]]:
    return {each["type"]: each for each in report.conditions}


@pytest.mark.parametrize(
    ("accepted", "connected", "status", "reason"),
    [
        pytest.param("True", "True", "True", Reason.SUCCEEDED, id="all-hold"),
        pytest.param("False", "True", "False", Reason.DUPLICATE, id="first-fails"),
        pytest.param("True", "False", "False", Reason.TIMEOUT, id="second-fails"),
        pytest.param("False", "False", "False", Reason.DUPLICATE, id="the-first-failure-speaks"),
        pytest.param("Unknown", "False", "False", Reason.TIMEOUT, id="a-failure-outweighs-an-unknown"),
        pytest.param("Unknown", "True", "Unknown", Reason.DUPLICATE, id="an-unknown-outweighs-success"),
    ],
)
def test_ready_is_derived_from_the_declared_parts(
    accepted: Any, connected: Any, status: str, reason: Reason
) -> None:
    report = build(
        {
            "Accepted": Finding(accepted, Reason.DUPLICATE, "a"),
            "Connected": Finding(connected, Reason.TIMEOUT, "c"),
        }
    )
    assert (report.ready.status, report.ready.reason) == (status, reason)
    assert by_type(report)["Ready"]["status"] == status
    assert report.conditions[0]["type"] == "Ready"


def test_a_condition_that_is_not_declared_does_not_decide_ready() -> None:
    report = build({**GOOD, "Healed": fails(Reason.HEAL_EXHAUSTED, "gave up")})
    assert report.ready.holds


def test_a_given_ready_outweighs_the_parts() -> None:
    off = fails(Reason.PAUSED, "switched off")
    report = conditions.build((), GOOD, ready=off, generation=1, now=NOON)
    assert report.ready is off
    assert by_type(report)["Ready"]["reason"] == "Paused"
    assert by_type(report)["Connected"]["status"] == "True"


def test_a_declared_part_without_a_finding_is_a_bug() -> None:
    with pytest.raises(KeyError):
        build({"Accepted": GOOD["Accepted"]})


def test_the_transition_time_stays_while_the_status_stays() -> None:
    first = build(GOOD)
    reworded = {**GOOD, "Connected": holds(Reason.NO_PROBE, "nothing to try")}
    second = build(reworded, first.conditions, now=LATER, generation=2)
    connected = by_type(second)["Connected"]
    assert connected["lastTransitionTime"] == "2026-11-21T12:00:00Z"
    assert connected["reason"] == "NoProbe"
    assert connected["observedGeneration"] == 2


def test_the_transition_time_moves_when_the_status_changes() -> None:
    first = build(GOOD)
    second = build({**GOOD, "Connected": fails(Reason.TIMEOUT, "slow")}, first.conditions, now=LATER)
    times = {name: each["lastTransitionTime"] for name, each in by_type(second).items()}
    assert times == {
        "Ready": "2026-11-21T13:00:00Z",
        "Accepted": "2026-11-21T12:00:00Z",
        "Connected": "2026-11-21T13:00:00Z",
    }


def test_the_default_of_the_schema_counts_as_nothing_said_yet() -> None:
    report = build({**GOOD, "Connected": unknown(Reason.PROBE_PENDING, "soon")}, [PENDING])
    assert by_type(report)["Ready"]["lastTransitionTime"] == "2026-11-21T12:00:00Z"
    ready = report.transition("Ready")
    assert ready is not None
    assert (ready.was, ready.now) == (None, "Unknown")


def test_transitions_name_new_statuses_and_new_reasons_only() -> None:
    first = build({**GOOD, "Connected": fails(Reason.TIMEOUT, "slow")})
    second = build({**GOOD, "Connected": fails(Reason.TLS_FAILED, "expired")}, first.conditions)
    assert [(each.type, each.flipped) for each in second.transitions] == [
        ("Ready", False),
        ("Connected", False),
    ]
    reworded = build({**GOOD, "Connected": fails(Reason.TLS_FAILED, "not trusted")}, second.conditions)
    assert reworded.transitions == ()


@pytest.mark.parametrize(
    ("connected", "extra", "expected"),
    [
        pytest.param(GOOD["Connected"], {}, set(), id="ready"),
        pytest.param(GOOD["Connected"], {"reconciling": True}, {"Reconciling"}, id="ready-but-at-work"),
        pytest.param(unknown(Reason.PROBE_PENDING, "soon"), {}, {"Reconciling"}, id="unknown"),
        pytest.param(fails(Reason.TIMEOUT, "slow"), {}, set(), id="not-ready"),
        pytest.param(fails(Reason.TIMEOUT, "slow"), {"stalled": True}, {"Stalled"}, id="stalled"),
        pytest.param(GOOD["Connected"], {"stalled": True}, set(), id="what-is-ready-is-not-stalled"),
    ],
)
def test_reconciling_and_stalled_are_there_only_when_true(
    connected: Finding, extra: dict[str, Any], expected: set[str]
) -> None:
    told = by_type(build({**GOOD, "Connected": connected}, **extra))
    assert {name for name in told if name in ("Reconciling", "Stalled")} == expected
    assert all(told[name]["status"] == "True" for name in expected)


def test_a_long_message_is_cut_visibly() -> None:
    report = build({**GOOD, "Connected": fails(Reason.TIMEOUT, "x" * 5000)})
    message = by_type(report)["Connected"]["message"]
    assert len(message) == MAX_MESSAGE
    assert message.endswith("…")


def test_find_reads_a_status() -> None:
    told = build({**GOOD, "Connected": fails(Reason.TIMEOUT, "slow")}).conditions
    for kind, status in (("Accepted", "True"), ("Connected", "False")):
        found = conditions.find(told, kind)
        assert found is not None
        assert found["status"] == status
    assert conditions.find(told, "Absent") is None


any_finding = st.builds(
    Finding,
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from([each for each in Reason if each is not Reason.PENDING]),
    st.text(max_size=1100),
)


@given(first=st.tuples(any_finding, any_finding), second=st.tuples(any_finding, any_finding))
def test_building_again_from_its_own_result_changes_nothing(
    first: tuple[Finding, Finding], second: tuple[Finding, Finding]
) -> None:
    before = build(dict(zip(PARTS, first, strict=True)))
    findings = dict(zip(PARTS, second, strict=True))
    once = build(findings, before.conditions, now=LATER)
    again = build(findings, once.conditions, now=LATER + timedelta(days=1))
    assert again.conditions == once.conditions
    assert again.transitions == ()
    for each in once.conditions:
        Condition.model_validate(each)


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        pytest.param([("Ready", "True", "Succeeded")], set(), id="all is well"),
        pytest.param(
            [("Ready", "False", "ReauthRequired"), ("Stalled", "True", "ReauthRequired")],
            {"ReauthRequired"},
            id="what should be true is not",
        ),
        pytest.param(
            [("Ready", "True", "Succeeded"), ("RotationDue", "True", "RotationDue")],
            {"RotationDue"},
            id="what is there only when something is wrong",
        ),
        pytest.param([("Ready", "Unknown", "ProbePending")], set(), id="not known yet"),
        pytest.param([("Ready", "False", "Paused")], set(), id="switched off by its owner"),
        pytest.param([("CircuitOpen", "True", "CircuitOpen")], {"CircuitOpen"}, id="held-back"),
        pytest.param([("TokenValid", "True", "RefreshFailed")], {"RefreshFailed"}, id="works-for-now"),
    ],
)
def test_troubles_are_the_reasons_of_what_is_not_as_it_should_be(
    found: list[tuple[str, str, str]], reasons: set[str]
) -> None:
    told = [dict(zip(("type", "status", "reason"), each, strict=True)) for each in found]
    assert conditions.troubles(told) == reasons
