"""Verbs about what can be connected; they go to the API server."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import Any

import click

from integration_hub.cli import options, show
from integration_hub.cli.api_server import OWN_PROVIDERS, PROVIDERS, resource_path
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session
from integration_hub.providers.catalogue import load_catalogue

Json = Any
_BUNDLED = "The cluster shows no ClusterIntegrationProvider: this is the catalogue of this command's release."


@click.group()
def provider() -> None:
    """Browse what can be connected."""


@provider.command("list")
@click.option("--category", help="Only this one; `kubectl hub provider categories` lists them.")
@options.session(*options.FORMATS)
def list_(session: Session, *, category: str | None) -> None:
    """List the catalogue and the namespace's own providers."""
    found = [
        each
        for each in _all(session)
        if category is None or _flat(each["spec"]["category"]) == _flat(category)
    ]
    if category is not None and not found:
        raise CliError(
            f"there is no provider of category {category}: `kubectl hub provider categories` lists them",
            Exit.NOT_FOUND,
        )
    if session.format in {"json", "yaml"}:
        show.structured({"apiVersion": "v1", "kind": "List", "items": found}, session.format)
    elif session.format == "name":
        for each in found:
            click.echo(f"{each['kind'].lower()}.integrationhub.io/{each['metadata']['name']}")
    else:
        wide = session.format == "wide"
        further = ("BASE-URL", "DOCUMENTATION") if wide else ()
        show.table(
            ("NAME", "TITLE", "CATEGORY", "AUTH", "SCOPE", *further),
            [_row(each, wide=wide) for each in found],
        )


@provider.command("get")
@options.one_provider
@options.session("json", "yaml")
def get(session: Session, *, name: str) -> None:
    """Show a provider: how it is connected, and what it offers."""
    found = _one(session, name)
    if session.format:
        show.structured(found, session.format)
        return
    spec = found["spec"]
    show.facts(
        [
            ("Name", name),
            ("Title", spec["displayName"]),
            ("Category", spec["category"]),
            ("Scope", _scope(found)),
            ("Base URL", spec["baseUrl"]),
            ("Authentication", ", ".join(mode["type"] for mode in spec.get("authModes") or ())),
            ("Configuration", ", ".join(_names(spec.get("configSchema")))),
            ("Endpoints", ", ".join(each["name"] for each in spec.get("endpoints") or ())),
            (
                "Widgets",
                ", ".join(str(each.get("id") or each.get("name")) for each in spec.get("widgets") or ()),
            ),
            ("Documentation", spec.get("documentationUrl")),
        ]
    )


@provider.command()
@options.one_provider
@options.session("json", "yaml")
def schema(session: Session, *, name: str) -> None:
    """Show what an Integration of a provider has to say: its config, and the keys of its Secret."""
    spec = _one(session, name)["spec"]
    config, secret = spec.get("configSchema") or {}, spec.get("credentialsSchema") or {}
    if session.format:
        show.structured({"config": config, "credentials": secret}, session.format)
        return
    rows = [("config", *row) for row in _fields(config)] + [("Secret", *row) for row in _fields(secret)]
    if not rows:
        click.echo(f"{name} asks for no configuration.")
        return
    show.table(("WHERE", "FIELD", "TYPE", "REQUIRED", "DEFAULT", "DESCRIPTION"), rows)


@provider.command()
@options.session("json", "yaml")
def categories(session: Session) -> None:
    """List the categories, with how many providers each has."""
    counted = Counter(each["spec"]["category"] for each in _all(session))
    if session.format:
        show.structured(dict(sorted(counted.items())), session.format)
    else:
        show.table(("CATEGORY", "PROVIDERS"), sorted(counted.items()))


# --------------------------------------------------------------------------- inside


def _all(session: Session) -> list[Json]:
    """The catalogue's and the namespace's own."""
    own = session.api.get(resource_path(OWN_PROVIDERS, session.namespace))["items"]
    found = [*_catalogue(session), *({"kind": "IntegrationProvider", **each} for each in own)]
    return sorted(found, key=lambda each: (each["metadata"]["name"], each["kind"]))


def _catalogue(session: Session) -> list[Json]:
    """The cluster's. Where there is none to see, as for a hub that works for single namespaces and has the
    catalogue in its image, the one of this release.
    """
    try:
        listed = session.api.get(resource_path(PROVIDERS))["items"]
    except CliError as error:
        if error.exit_status is not Exit.DENIED:
            raise
        listed = []
    if listed:
        return [{"kind": "ClusterIntegrationProvider", **each} for each in listed]
    click.echo(_BUNDLED, err=True)
    return [entry.manifest for entry in load_catalogue()]


def _one(session: Session, name: str) -> Json:
    """The namespace's own of this name, else the cluster's."""
    own = session.api.find(resource_path(OWN_PROVIDERS, session.namespace, name))
    if own is not None:
        return own
    shared = {each["metadata"]["name"]: each for each in _catalogue(session)}
    if name not in shared:
        near = ", ".join(get_close_matches(name.lower(), shared))
        raise CliError(
            f"there is no provider {name}{f' (did you mean {near}?)' if near else ''}: "
            "`kubectl hub provider list` shows what there is",
            Exit.NOT_FOUND,
        )
    return shared[name]


def _flat(word: str) -> str:
    """A category in either spelling: PROJECT_MANAGEMENT, project-management."""
    return word.lower().replace("_", "-")


def _row(found: Json, *, wide: bool) -> tuple[object, ...]:
    spec = found["spec"]
    modes = ",".join(mode["type"] for mode in spec.get("authModes") or ())
    further = (spec["baseUrl"], spec.get("documentationUrl")) if wide else ()
    return found["metadata"]["name"], spec["displayName"], spec["category"], modes, _scope(found), *further


def _scope(found: Json) -> str:
    return str(found["metadata"].get("namespace") or "cluster")


def _fields(schema_: Json) -> list[tuple[object, ...]]:
    """Rows of a schema in the short form or as JSON Schema."""
    if isinstance(schema_.get("properties"), dict):
        required = set(schema_.get("required") or ())
        listed = {
            name: {**each, "required": name in required} for name, each in schema_["properties"].items()
        }
    else:
        listed = {name: each for name, each in schema_.items() if isinstance(each, dict)}
    return [
        (
            name,
            each.get("type"),
            "yes" if each.get("required") else "no",
            each.get("default"),
            each.get("description"),
        )
        for name, each in listed.items()
    ]


def _names(schema_: Json) -> list[str]:
    return [str(row[0]) for row in _fields(schema_ or {})]
