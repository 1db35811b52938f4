"""Plugins of ours that every tier may use."""

from __future__ import annotations

import pytest

from scheduling import Scheduling

pytest_plugins = ["control_plane_fixture"]


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Scheduling(), "scheduling")
