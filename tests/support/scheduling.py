"""Which worker runs what: a file stays on one worker, and so do the files of one `xdist_group`.

pytest-xdist's own `--dist loadgroup` puts the group into a test's id, which pytest 9 no longer lets it
do; so the group is read from the file that carries the mark.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_GROUP = re.compile(r"xdist_group\(\"([a-z-]+)\"\)")
_ROOT = Path(__file__).resolve().parents[2]


@cache
def scope_of(file: str) -> str:
    """The group named in the file's `pytestmark`, else the file itself."""
    found = _GROUP.search((_ROOT / file).read_text())
    return found[1] if found else file


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """As loadfile, with groups."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.split("::", 1)[0])


class Scheduling:
    """The plugin: registered where xdist is there."""

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> GroupScheduling | None:
        """In place of `--dist loadscope`; any other choice stays as it is."""
        return GroupScheduling(config, log) if config.getoption("dist") == "loadscope" else None
