"""The composition root: `hub` is the process, `kinds` its reconcilers."""

from integration_hub.wiring.hub import serve

__all__ = ["serve"]
