from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from integration_hub.providers.signature_profiles import load_signature_profiles

HEAD = "x: {documentationUrl: d, "


def test_every_profile_names_the_page_it_was_taken_from() -> None:
    for name, profile in load_signature_profiles().items():
        assert profile.documentation_url.startswith(("https://", "docs/guides/")), name


def test_a_time_that_is_signed_has_an_age_beyond_which_it_is_refused_where_the_vendor_says_one() -> None:
    profiles = load_signature_profiles()
    assert profiles["slack"].tolerance_seconds == profiles["stripe"].tolerance_seconds == 300


@pytest.mark.parametrize(
    "broken",
    [
        "scheme: hmac, algorithm: sha256, header: X, encoding: hex}",
        'scheme: hmac, algorithm: sha256, header: X, encoding: hex, signed: "{timestamp}{body}"}',
        'scheme: hmac, header: X, encoding: hex, signed: "{body}"}',
        'scheme: hmac, algorithm: md5, header: X, encoding: hex, signed: "{body}"}',
        'scheme: ed25519, header: X, signed: "{body}"}',
        "scheme: token}",
        "scheme: body-token}",
        "scheme: jwt, algorithm: HS256}",
        "scheme: path, typo: 1}",
    ],
)
def test_a_profile_that_could_prove_nothing_is_refused(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "profiles.yaml"
    file.write_text(HEAD + broken)
    with pytest.raises(ValidationError):
        load_signature_profiles(file)
