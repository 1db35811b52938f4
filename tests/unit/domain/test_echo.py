"""A far end that sends our credentials back does not hand them to the caller."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.echo import Veil
from integration_hub.ports import SecretText

SECRET = "canary+token/0123"
STARS = b"*" * len(SECRET)


def veil(*more: str) -> Veil:
    return Veil([SecretText(SECRET), *(SecretText(each) for each in more)])


def test_a_secret_is_struck_in_place_and_lengths_stay() -> None:
    body = f'{{"echo": "{SECRET}", "x": 1}}'.encode()
    assert veil().over(body) == body.replace(SECRET.encode(), STARS)


def test_it_is_found_in_a_url_and_after_its_scheme() -> None:
    quoted = quote(SECRET, safe="").encode()
    assert quoted not in veil().over(b"/x?k=" + quoted)
    assert Veil([SecretText(f"Bearer {SECRET}")]).over(SECRET.encode()) == STARS


def test_it_is_found_in_a_document_within_a_document() -> None:
    secret = 'a "quoted" p\u00e4ssword'
    echo = json.dumps({"body": json.dumps({"password": secret})}).encode()
    shown = Veil([SecretText(secret)]).over(echo)
    assert b"quoted" not in shown
    assert json.loads(json.loads(shown)["body"])["password"].strip("*") == ""


def test_headers_too() -> None:
    assert veil().over_headers({"x-echo": f"Bearer {SECRET}"}) == {"x-echo": f"Bearer {STARS.decode()}"}


def test_short_secrets_are_left_since_their_letters_may_be_data() -> None:
    assert Veil([SecretText("secret")]).over(b"the secret garden") == b"the secret garden"


def test_nothing_is_held_back_that_cannot_be_a_secret() -> None:
    one = veil()
    assert one.piece(b"data: 1\n\n") == b"data: 1\n\n"
    assert one.piece(b"data: can") == b"data: "
    assert one.piece(b"dy") == b"candy"
    assert one.rest() == b""


def test_without_secrets_pieces_pass_as_they_are() -> None:
    piece = b"x" * 1000
    assert Veil([]).piece(piece) is piece


@given(st.lists(st.integers(1, 30), max_size=20), st.text("cany+toke/0123x", max_size=30))
def test_however_a_body_is_cut_it_comes_out_the_same(cuts: list[int], around: str) -> None:
    whole = (around + SECRET + around + SECRET[:9]).encode()
    one, out, rest = veil(), b"", whole
    for cut in cuts:
        out += one.piece(rest[:cut])
        rest = rest[cut:]
    out += one.piece(rest) + one.rest()
    assert out == veil().over(whole)
    assert SECRET.encode() not in out
