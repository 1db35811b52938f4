"""Servers that nobody here wrote, for tests: pinned, fetched or built once, kept outside the tree."""

from __future__ import annotations

from servers.get import ServerMissingError, locate

__all__ = ["ServerMissingError", "locate"]
