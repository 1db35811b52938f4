"""Credentials of connections: resolved, obtained, sealed, refreshed ahead of time, replaced, taken back."""
