"""The composition root: `hub` is all of one process, `process` what runs it, `kinds` its reconcilers."""

from integration_hub.wiring.process import serve

__all__ = ["serve"]
