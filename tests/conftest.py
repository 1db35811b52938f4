"""Plugins of ours that every tier may use."""

from __future__ import annotations

import hypothesis
import pytest

from scheduling import Scheduling

pytest_plugins = ["control_plane_fixture", "postgresql_server"]

# A machine that is busy with other tests makes no property false.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Scheduling(), "scheduling")
