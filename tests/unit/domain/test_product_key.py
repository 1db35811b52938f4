from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain import product_key
from integration_hub.domain.product_key import CHANCE_BYTES, KeyId, compose, fingerprint, matches, read

chances = st.binary(min_size=CHANCE_BYTES, max_size=CHANCE_BYTES)
KEY = compose(bytes(range(CHANCE_BYTES)))


@given(chances)
def test_every_key_is_well_formed_and_one_word(chance: bytes) -> None:
    key = compose(chance)
    assert re.fullmatch(r"ihp_[0-9A-Za-z]{11}_[0-9A-Za-z]{49}", key)
    assert read(key) == KeyId(key[4:15])


@given(chances, chances)
def test_different_chance_makes_different_keys(one: bytes, other: bytes) -> None:
    assert (compose(one) == compose(other)) is (one == other)


@pytest.mark.parametrize("extreme", [b"\0" * CHANCE_BYTES, b"\xff" * CHANCE_BYTES], ids=["least", "most"])
def test_the_extremes_have_room(extreme: bytes) -> None:
    assert isinstance(read(compose(extreme)), KeyId)


@pytest.mark.parametrize("count", [0, CHANCE_BYTES - 1, CHANCE_BYTES + 1])
def test_a_key_is_made_of_exactly_so_much_chance(count: int) -> None:
    with pytest.raises(ValueError, match="40 bytes"):
        compose(b"x" * count)


@given(st.integers(4, len(KEY) - 1), st.sampled_from("09AZaz"))
def test_one_letter_wrong_is_told_from_a_wrong_key(position: int, letter: str) -> None:
    typed = KEY[:position] + letter + KEY[position + 1 :]
    assert read(typed) == (read(KEY) if typed == KEY else "form" if KEY[position] == "_" else "checksum")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ihp_",
        KEY[:-1],
        KEY + "0",
        f" {KEY}",
        f"{KEY}\n",
        KEY.upper(),
        "ghp_" + KEY[4:],
        "ihp_é",
    ],
)
def test_what_has_not_the_form_is_no_key(text: str) -> None:
    assert read(text) == "form"


@given(st.text())
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    assert read(text) == "form"
    assert product_key.claims_to_be(text) is text.startswith("ihp_")


def test_a_fingerprint_is_of_one_key_and_one_registration() -> None:
    kept = fingerprint("uid-1", KEY)
    assert kept == hashlib.sha256(f"uid-1:{KEY}".encode()).hexdigest()
    assert matches(kept, "uid-1", KEY)
    assert not matches(kept, "uid-2", KEY)
    assert not matches(kept, "uid-1", compose(b"x" * CHANCE_BYTES))
    assert not matches("", "uid-1", KEY)
