"""Verbs about products: how one is, by the hub; its key, by the API server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options, show
from integration_hub.cli.api_server import PRODUCTS, resource_path
from integration_hub.cli.commands.integration import ROTATION_REQUESTED, condition, moment
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session

Json = Any
REVOCATION_REQUESTED = "integrationhub.io/revocation-requested"
_KEY_READY = "ApiKeyReady"
_WELL = ("healthy", "degraded")


@click.group()
def product() -> None:
    """Look after products and the keys by which they speak to the hub."""


@product.command()
@click.argument("product_id", metavar="PRODUCT_ID")
@options.session("json", "yaml")
@options.hub
def status(session: Session, *, product_id: str) -> None:
    """Show how a product is.

    Ends with status 1 if it does not work.
    """
    told = session.hub(warn=_warn).get(f"/api/v1/hub/products/{quote(product_id, safe='')}/status")
    if session.format:
        show.structured(told, session.format)
    else:
        show.facts(_facts(told))
    if told["status"] not in _WELL:
        raise click.exceptions.Exit(int(Exit.FAILED))


@product.command("rotate-key")
@options.one_product
@click.option("--revoke", is_flag=True, help="End every earlier key at once, without an overlap.")
@click.option("--timeout", default=60, show_default=True, help="Seconds to wait for the new key.")
@options.session()
def rotate_key(session: Session, *, name: str, revoke: bool, timeout: int) -> None:
    """Replace the key of a product now. NAME is that of its ProductRegistration.

    The new key is in the product's Secret, and Deployments that asked for it are restarted. The key before
    works until spec.apiKey.overlap is over; with --revoke it ends before the new one is made.
    """
    path = resource_path(PRODUCTS, session.namespace, name)
    found = session.api.get(path)
    if (found["spec"].get("apiKey") or {}).get("enabled") is False:
        raise CliError(f"{name} has no key, since its spec.apiKey.enabled is false")
    trouble = _trouble(found)
    if trouble and not revoke:
        raise CliError(f"{name} cannot get another key: {trouble}")
    field, annotation = _REQUESTS[revoke]
    asked = moment()
    session.api.merge(path, {"metadata": {"annotations": {annotation: asked}}})

    def settled(now: Json) -> bool:
        key = (now.get("status") or {}).get("apiKey") or {}
        entered = any(each["use"] == "Next" for each in key.get("keys") or ())
        return key.get(field) == asked and (not entered or bool(_trouble(now)))

    found = session.api.wait(path, settled, seconds=timeout, what=f"the key of {name} was not replaced")
    _tell(found, revoked=revoke)


# --------------------------------------------------------------------------- inside

_REQUESTS = {
    False: ("rotationRequested", ROTATION_REQUESTED),
    True: ("revocationRequested", REVOCATION_REQUESTED),
}


def _tell(found: Json, *, revoked: bool) -> None:
    name, told = found["metadata"]["name"], found["status"]
    if revoked:
        click.echo(f"productregistration/{name}: every earlier key has ended")
    trouble = _trouble(found)
    if trouble:
        raise CliError(f"{name} has no new key: {trouble}")
    until = told["apiKey"].get("previousValidUntil")
    before = f"; the one before works until {until}" if until else ""
    secret = told["apiKeySecretRef"]["name"]
    click.echo(f"productregistration/{name} has a new key in Secret {secret}{before}")


def _trouble(found: Json) -> str:
    """Why the product cannot get a key; empty where it can."""
    ready = condition(found.get("status") or {}, _KEY_READY)
    return str(ready.get("message") or "") if ready.get("status") == "False" else ""


def _facts(told: Json) -> list[tuple[str, object]]:
    key, heal = told["api_key"], told["heal"]
    metrics = ", ".join(f"{name} {value:g}" for name, value in told["metrics"].items())
    return [
        ("Product", f"{told['product_name']} ({told['product_id']})"),
        ("Version", told["version"]),
        ("Status", told["status"]),
        ("Since", show.ago(told["since"])),
        ("Ready", told["ready"]),
        ("Reason", told["reason"]),
        ("Message", told["message"]),
        ("API", told["api_endpoint"]),
        ("Health", told["health_endpoint"]),
        ("Capabilities", ", ".join(told["capabilities"])),
        ("Last seen", show.ago(told["last_seen"])),
        ("Response", f"{told['response_time']} ms" if told["response_time"] is not None else ""),
        ("Last error", told["last_error"]),
        ("Metrics", metrics),
        ("Healed", heal["count"]),
        ("Key made", show.ago(key["last_rotated_at"])),
        ("Key replaced", show.ago(key["next_rotation_at"])),
        ("Earlier key ends", show.ago(key["previous_valid_until"])),
    ]


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)
