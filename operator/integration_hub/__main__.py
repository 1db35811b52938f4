"""The program: `integration-hub run`, and the command line's verbs beside it."""

from __future__ import annotations

import sys
from typing import Any

import click

from integration_hub import __version__
from integration_hub.cli.tree import SETTINGS, VERBS, LazyGroup


@click.group(cls=LazyGroup, later=VERBS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="integration-hub")
def main() -> None:
    """Outside connections, webhooks, data syncs and product health as Kubernetes resources."""


@main.command()
@click.option("--roles", help="Roles of this process, comma-separated.  [default: operator]")
@click.option("--namespace", help="The hub's own namespace (Lease, storm brake).")
@click.option("--watch-namespaces", help="Namespaces to work for, comma-separated; all by default.")
@click.option("--kubeconfig", help="Kubeconfig file; in-cluster configuration by default.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option("--api-qps", type=float, help="Requests per second to the API server, reads and writes each.")
@click.option("--api-burst", type=int, help="Requests that may go out at once after a quiet time.")
@click.option("--workers", type=int, help="Objects reconciled at the same time.")
@click.option("--probe-port", type=int, help="Port of /healthz, /readyz and /metrics; 0 picks a free one.")
@click.option("--egress-allow", help="cidr:port entries that may be called besides public addresses.")
@click.option("--egress-hosts", help="name=address pairs, as a hosts file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["json", "text"]))
def run(**flags: Any) -> None:
    """Run the hub until SIGTERM.

    Every flag has an environment variable, INTEGRATION_HUB_<FLAG>; the flag wins. More settings
    exist as variables only; the operations guide lists them.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - --help and the verbs need none of these

    from integration_hub.settings import Settings  # noqa: PLC0415

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            about = f"setting {name}" if name else "settings"
            click.echo(f"integration-hub: {about}: {problem['msg']}", err=True)
        raise SystemExit(2) from None
    from integration_hub.wiring import serve  # noqa: PLC0415 - the whole program

    raise SystemExit(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
