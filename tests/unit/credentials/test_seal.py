"""Sealing: what opens where, with which key, and what is said when it does not."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.credentials.seal import KeyProblem, KeyRing, Opened, Place, Seal, SealProblem

KEY, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
PLACE = Place("team-a", "Integration", "uid-1", "grant")


def seal(*keys: str) -> Seal:
    if not keys:
        return Seal(None)
    ring = KeyRing.parse(keys[0], keys[1:])
    assert isinstance(ring, KeyRing), ring
    return Seal(ring)


@given(st.text())
def test_what_is_sealed_opens_again(text: str) -> None:
    assert seal(KEY).open(seal(KEY).seal(text, PLACE), PLACE) == Opened(text, sealed=True, stale=False)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(replace(PLACE, namespace="team-b"), id="another namespace"),
        pytest.param(replace(PLACE, kind="Workflow"), id="another kind"),
        pytest.param(replace(PLACE, uid="uid-2"), id="another object"),
        pytest.param(replace(PLACE, key="given"), id="another key of the Secret"),
    ],
)
def test_it_opens_nowhere_else(place: Place) -> None:
    outcome = seal(KEY).open(seal(KEY).seal("token", PLACE), place)
    assert isinstance(outcome, SealProblem)


def test_one_changed_bit_is_noticed() -> None:
    sealed = seal(KEY).seal("token", PLACE)
    scheme, name, envelope = sealed.split(".")
    data = bytearray(base64.urlsafe_b64decode(envelope))
    for index in range(len(data)):
        data[index] ^= 1
        forged = f"{scheme}.{name}.{base64.urlsafe_b64encode(bytes(data)).decode()}"
        assert isinstance(seal(KEY).open(forged, PLACE), SealProblem)
        data[index] ^= 1


def test_the_same_value_is_never_sealed_twice_alike() -> None:
    assert len({seal(KEY).seal("token", PLACE) for _ in range(100)}) == 100


def test_an_old_key_opens_what_should_be_sealed_anew() -> None:
    old = seal(OTHER).seal("token", PLACE)
    assert seal(KEY, OTHER).open(old, PLACE) == Opened("token", sealed=True, stale=True)


def test_a_key_that_is_not_there_is_named_by_its_id_and_not_by_itself() -> None:
    outcome = seal(KEY).open(seal(OTHER).seal("token", PLACE), PLACE)
    assert isinstance(outcome, SealProblem)
    assert "TOKEN_ENCRYPTION_OLD_KEYS" in outcome.message
    assert OTHER not in outcome.message


def test_without_a_key_values_are_kept_as_they_are_and_sealed_once_there_is_one() -> None:
    kept = seal().seal("token", PLACE)
    assert seal().open(kept, PLACE) == Opened("token", sealed=False, stale=False)
    assert seal(KEY).open(kept, PLACE) == Opened("token", sealed=False, stale=True)


@pytest.mark.parametrize(
    "text", ["", "ihs1", "ihs1.", "ihs1.x", "ihs1.ab.%%%", "ihs9.a.b", "nonsense", "ihs1.a.AA"]
)
def test_nonsense_is_a_problem_and_no_crash(text: str) -> None:
    assert isinstance(seal(KEY).open(text, PLACE), SealProblem)


@pytest.mark.parametrize(
    ("key", "old"),
    [
        pytest.param("", (), id="empty"),
        pytest.param("ab", (), id="short"),
        pytest.param(KEY + "00", (), id="long"),
        pytest.param("g" * 64, (), id="not hexadecimal"),
        pytest.param("0" * 64, (), id="one byte repeated"),
        pytest.param(KEY, ("short",), id="an old one that is short"),
    ],
)
def test_a_key_that_is_none_is_refused_with_the_command_that_makes_one(
    key: str, old: tuple[str, ...]
) -> None:
    problem = KeyRing.parse(key, old)
    assert isinstance(problem, KeyProblem)
    assert "openssl rand -hex 32" in problem.message
    assert not key or key not in problem.message


def test_neither_ring_nor_opened_value_shows_what_it_holds() -> None:
    ring = KeyRing.parse(KEY)
    assert bytes.fromhex(KEY) not in repr(ring).encode()
    assert "hunter2" not in repr(Opened("hunter2", sealed=True, stale=False))
