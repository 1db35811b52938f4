"""Plugins of ours that every tier may use."""

pytest_plugins = ["control_plane_fixture"]
