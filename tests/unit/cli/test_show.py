"""What commands print of other people's words."""

from __future__ import annotations

import pytest

from integration_hub.cli import show


def test_a_cell_obeys_nobody_but_us(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("NAME", "LAST ERROR"), [("gh", "no\x1b]0;owned\x07\r\n\x9b2Jall is well\u202e")])
    heading, line = capsys.readouterr().out.splitlines()
    assert (heading.split(), line) == (["NAME", "LAST", "ERROR"], "gh     no ]0;owned    2Jall is well")


@pytest.mark.parametrize("said", ["Grüße aus 東京", "a\u200dfamily 👩‍👩‍👧", "tab-free"])
def test_other_letters_stay_as_they_are(said: str) -> None:
    assert show.plain(said) == said
