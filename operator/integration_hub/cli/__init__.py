"""The command line: `kubectl hub …`, and the same commands below `integration-hub`.

Verbs that are about objects go to the API server with the user's own rights; those that are about calls and
figures go to the hub. Start-up is part of the promise (300 ms): nothing is imported before it is used, and
neither the Kubernetes library nor pydantic is used at all.
"""

from __future__ import annotations

from integration_hub.cli.tree import main

__all__ = ["main"]
