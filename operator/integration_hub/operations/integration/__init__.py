"""Integrations made, changed and removed on somebody's behalf."""
