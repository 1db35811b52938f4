"""Mock servers that vendors made, or that serve a vendor's own OpenAPI: they refuse what the API would."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    """GitHub's official OpenAPI, served by Prism. Takes about 30 s.

    It refuses paths, queries and headers that do not fit. Bodies it lets through; see `github_description`.
    """
    modules = locate("prism") / "node_modules"
    description = folder / "api.github.com.json"
    description.write_text(json.dumps(_as_github_answers(github_description())))

    def command(port: int) -> list[str | Path]:
        prism = modules / "@stoplight" / "prism-cli" / "dist" / "index.js"
        return [
            "node", "--max-old-space-size=4096", prism, "mock", description,
            "--host", "127.0.0.1", "--port", str(port), "--verboseLevel", "silent",
        ]  # fmt: skip

    with child_server(command, ready="/", folder=folder, seconds=420) as port:
        yield f"http://127.0.0.1:{port}"


def github_description() -> Any:
    """GitHub's official OpenAPI, decoded."""
    generated = locate("prism") / "node_modules" / "@octokit" / "openapi" / "generated"
    return json.loads((generated / "api.github.com.json").read_text())


def _as_github_answers(description: Any) -> Any:
    """With the media type that GitHub's guide tells clients to accept and that its answers have.

    The description calls it application/json, and Prism goes by that (406); requests stay as described.
    """
    operations = [
        operation
        for path in description["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    responses = [each for operation in operations for each in operation.get("responses", {}).values()]
    for response in (*responses, *description["components"].get("responses", {}).values()):
        content = response.get("content", {})
        if "application/json" in content:
            content["application/vnd.github+json"] = content.pop("application/json")
    return description
