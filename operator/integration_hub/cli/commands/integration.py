"""Verbs about Integrations as objects: they go to the API server."""

from __future__ import annotations

import time
from typing import Any

import click

from integration_hub.cli import options, show
from integration_hub.cli.api_server import INTEGRATIONS, resource_path
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session

Json = Any
TEST_REQUESTED = "integrationhub.io/test-requested"
ROTATION_REQUESTED = "integrationhub.io/rotation-requested"
BY_HAND = "put the new ones in place"
"""In the message of RotationDue where the hub cannot replace the credentials itself."""
GITOPS = (
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
)
_RESOURCE = "integration.integrationhub.io"


@click.command()
@options.many_integrations
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of every namespace.")
@options.session(*options.FORMATS)
def get(session: Session, *, names: tuple[str, ...], all_namespaces: bool) -> None:
    """List Integrations, or show one."""
    namespace = "" if all_namespaces else session.namespace
    paths = [resource_path(INTEGRATIONS, namespace, name) for name in names]
    if all_namespaces and names:
        raise click.UsageError("a name is of one namespace: use -n")
    if session.format in {"json", "yaml", "name"}:
        found = [session.api.get(path) for path in paths or [resource_path(INTEGRATIONS, namespace)]]
        _print(found, session.format, single=bool(names))
        return
    tables = [session.api.table(path) for path in paths or [resource_path(INTEGRATIONS, namespace)]]
    merged = {**tables[0], "rows": [row for each in tables for row in each.get("rows") or ()]}
    if not merged["rows"]:
        where = "in any namespace" if all_namespaces else f"in namespace {namespace}"
        click.echo(f"There is no Integration {where}.", err=True)
        return
    show.server_table(merged, wide=session.format == "wide", namespaces=all_namespaces)


@click.command()
@options.many_integrations
@click.option("--all", "everyone", is_flag=True, help="Every Integration of the namespace.")
@click.option("--timeout", default=60, show_default=True, help="Seconds to wait for each outcome.")
@options.session("json", "yaml")
def test(session: Session, *, names: tuple[str, ...], everyone: bool, timeout: int) -> None:
    """Test connections now.

    Asks the hub for a test by an annotation and waits for its outcome. Ends with status 1 if one of them
    failed.
    """
    chosen = _chosen(session, names, everyone=everyone)
    results = [_tested(session, name, timeout) for name in chosen]
    if session.format:
        show.structured(results, session.format)
    else:
        show.table(
            ("NAME", "RESULT", "MESSAGE"),
            [(each["name"], each["result"], each["message"]) for each in results],
        )
    if any(each["result"] != "healthy" for each in results):
        raise click.exceptions.Exit(int(Exit.FAILED))


@click.command()
@options.some_integrations
@click.option("--force", is_flag=True, help="Even if Argo CD or Flux owns it, which will take it back.")
@options.session()
def enable(session: Session, *, names: tuple[str, ...], force: bool) -> None:
    """Let an Integration make calls again."""
    _switch(session, names, to=True, force=force)


@click.command()
@options.some_integrations
@click.option("--force", is_flag=True, help="Even if Argo CD or Flux owns it, which will take it back.")
@options.session()
def disable(session: Session, *, names: tuple[str, ...], force: bool) -> None:
    """Stop every call, probe and sync of an Integration."""
    _switch(session, names, to=False, force=force)


@click.command()
@options.one_integration
@click.option("--timeout", default=120, show_default=True, help="Seconds to wait for the new credentials.")
@options.session()
def rotate(session: Session, *, name: str, timeout: int) -> None:
    """Replace the credentials of an Integration now.

    The new ones are verified before the old ones are ended; if they do not work, the old ones stay. Where the
    provider cannot make new ones, the Integration says so and you put them into its Secret.
    """
    path = resource_path(INTEGRATIONS, session.namespace, name)
    before = (session.api.get(path).get("status") or {}).get("credentials") or {}
    asked = moment()
    found = session.api.merge(path, {"metadata": {"annotations": {ROTATION_REQUESTED: asked}}})
    generation = found["metadata"]["resourceVersion"]

    def settled(now: Json) -> bool:
        status = now.get("status") or {}
        newer = (status.get("credentials") or {}).get("lastRotatedAt")
        return newer != before.get("lastRotatedAt") or (
            now["metadata"]["resourceVersion"] != generation and _rotation_trouble(status) is not None
        )

    found = session.api.wait(path, settled, seconds=timeout, what=f"{name} was not rotated")
    status = found.get("status") or {}
    rotated = (status.get("credentials") or {}).get("lastRotatedAt")
    if rotated == before.get("lastRotatedAt"):
        raise CliError(f"{name} was not rotated: {_rotation_trouble(status)}")
    click.echo(f"integration/{name} rotated at {rotated}")


# --------------------------------------------------------------------------- inside


def condition(status: Json, kind: str = "Ready") -> Json:
    """A condition of a status; an empty one where it is not there."""
    return next((each for each in (status or {}).get("conditions") or () if each["type"] == kind), {})


def _rotation_trouble(status: Json) -> str | None:
    """That the hub cannot do it; None while it may still be at it."""
    message = str(condition(status, "RotationDue").get("message") or "")
    return message if BY_HAND in message else None


def _print(found: list[Json], form: str, *, single: bool) -> None:
    objects = found if single else found[0]["items"]
    if form == "name":
        for each in objects:
            click.echo(f"{_RESOURCE}/{each['metadata']['name']}")
    else:
        value = found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}
        show.structured(value, form)


def _chosen(session: Session, names: tuple[str, ...], *, everyone: bool) -> list[str]:
    if bool(names) == everyone:
        raise click.UsageError("name Integrations, or say --all")
    if names:
        return list(names)
    listed = session.api.get(resource_path(INTEGRATIONS, session.namespace))["items"]
    return [each["metadata"]["name"] for each in listed if each["spec"].get("enabled", True)]


def _tested(session: Session, name: str, timeout: int) -> dict[str, Json]:
    path = resource_path(INTEGRATIONS, session.namespace, name)
    if not session.api.get(path)["spec"].get("enabled", True):
        raise CliError(f"{name} is disabled: run `kubectl hub enable {name}` first")
    asked = request_test(session, name)
    found = session.api.wait(
        path, lambda now: tested(now, asked), seconds=timeout, what=f"no outcome of the test of {name}"
    )
    last = found["status"]["lastTest"]
    return {"name": name, "result": last["result"], "message": last.get("message", ""), "at": last.get("at")}


def request_test(session: Session, name: str) -> str:
    """Ask for a test; what its outcome will be marked with."""
    asked = moment()
    path = resource_path(INTEGRATIONS, session.namespace, name)
    session.api.merge(path, {"metadata": {"annotations": {TEST_REQUESTED: asked}}})
    return asked


def tested(found: Json, asked: str) -> bool:
    """Whether this object tells the outcome of the test that was asked for."""
    return ((found.get("status") or {}).get("lastTest") or {}).get("requested") == asked


def moment() -> str:
    """Now, to the microsecond: two requests are never the same."""
    seconds, fraction = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction // 1000:06d}Z"


def _switch(session: Session, names: tuple[str, ...], *, to: bool, force: bool) -> None:
    word = "enabled" if to else "disabled"
    for name in names:
        path = resource_path(INTEGRATIONS, session.namespace, name)
        found = session.api.get(path)
        owner = owner_of(found)
        if owner and not force:
            raise CliError(
                f"{name} belongs to {owner}, which would take the change back: "
                f"set spec.enabled in its repository, or use --force"
            )
        unchanged = found["spec"].get("enabled", True) is to
        if not unchanged:
            session.api.merge(path, {"spec": {"enabled": to}})
        click.echo(f"integration/{name} {'is already ' if unchanged else ''}{word}")


def owner_of(found: Json) -> str:
    """The GitOps controller that applies this object; empty where none does."""
    marks = {**(found["metadata"].get("labels") or {}), **(found["metadata"].get("annotations") or {})}
    return next((owner for mark, owner in GITOPS if mark in marks), "")
