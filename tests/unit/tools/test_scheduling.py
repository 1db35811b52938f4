"""Tests that share one hub run on one worker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduling import scope_of

ROOT = Path(__file__).resolve().parents[3]
SHARING = re.compile(r"^(?:async )?def test_\w+\([^)]*\b(hub: HubProcess|tenant: Tenant)\b", re.MULTILINE)


def test_a_file_of_its_own_is_its_own_scope() -> None:
    assert scope_of("tests/unit/tools/test_crd.py") == "tests/unit/tools/test_crd.py"


@pytest.mark.parametrize(
    "file",
    [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests/control_plane").rglob("test_*.py"))
        if SHARING.search(path.read_text())
    ],
)
def test_every_file_that_asks_for_the_shared_hub_is_in_its_group(file: str) -> None:
    assert scope_of(file) == "hub"
