"""Durable data on SQLite (one process) or PostgreSQL (many): logs, figures, windows, locks and more."""

from __future__ import annotations

from integration_hub.store.database import DatabaseStore, StoreStats
from integration_hub.store.limits import StoreLimits
from integration_hub.store.opening import open_store

__all__ = ["DatabaseStore", "StoreLimits", "StoreStats", "open_store"]
