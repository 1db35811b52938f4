"""Mock servers that vendors made, or that serve a vendor's own OpenAPI: they refuse what the API would."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from child_server import child_server
from servers import locate


@contextlib.contextmanager
def stripe_mock(folder: Path) -> Iterator[str]:
    """Stripe's official mock, which holds every request against Stripe's OpenAPI. Yields its base URL."""

    def command(port: int) -> list[str | Path]:
        return [locate("stripe-mock"), "-http-addr", f"127.0.0.1:{port}"]

    with child_server(command, ready="/v1/balance", folder=folder) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def github_api(folder: Path) -> Iterator[str]:
    """GitHub's official OpenAPI, served by Prism, which refuses what does not fit. Takes about 30 s."""
    modules = locate("prism") / "node_modules"
    description = modules / "@octokit" / "openapi" / "generated" / "api.github.com.json"

    def command(port: int) -> list[str | Path]:
        prism = modules / "@stoplight" / "prism-cli" / "dist" / "index.js"
        return [
            "node", "--max-old-space-size=4096", prism, "mock", description,
            "--host", "127.0.0.1", "--port", str(port), "--errors", "--verboseLevel", "silent",
        ]  # fmt: skip

    with child_server(command, ready="/", folder=folder, seconds=180) as port:
        yield f"http://127.0.0.1:{port}"
