"""Verbs about served namespaces: where the hub may read Secrets and heal Deployments."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options, show
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session

Json = Any
ROLE = "integration-hub-tenant"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def _hub(function: Any) -> Any:
    """Which hub is let in."""
    for option in (
        click.option(
            "--hub-service-account",
            "account",
            default="integration-hub",
            show_default=True,
            help="Its ServiceAccount.",
        ),
        click.option(
            "--hub-namespace",
            "home",
            default="integration-hub",
            show_default=True,
            help="The namespace the hub is in.",
        ),
    ):
        function = option(function)
    return function


@click.group()
def tenant() -> None:
    """Let the hub into namespaces, and out."""


@tenant.command()
@click.argument("namespaces", nargs=-1, required=True, metavar="NAMESPACE...")
@_hub
@options.session()
def add(session: Session, *, namespaces: tuple[str, ...], home: str, account: str) -> None:
    """Let the hub read Secrets and heal Deployments in namespaces."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": home}
    for namespace in namespaces:
        bindings = _bindings(namespace)
        found = session.api.find(f"{bindings}/{ROLE}")
        if found is None:
            session.api.create(bindings, _binding(namespace, subject, _role_kind(session, namespace)))
            click.echo(f"namespace/{namespace} is served")
        elif any(_same(each, subject) for each in found.get("subjects") or ()):
            click.echo(f"namespace/{namespace} is already served")
        else:
            subjects = [*(found.get("subjects") or ()), subject]
            session.api.merge(f"{bindings}/{ROLE}", {"subjects": subjects})
            click.echo(f"namespace/{namespace} is served")


@tenant.command()
@click.argument("namespaces", nargs=-1, required=True, metavar="NAMESPACE...")
@_hub
@options.session()
def remove(session: Session, *, namespaces: tuple[str, ...], home: str, account: str) -> None:
    """Take that back. Integrations there then say SecretAccessDenied."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": home}
    for namespace in namespaces:
        path = f"{_bindings(namespace)}/{ROLE}"
        found = session.api.find(path)
        others = [each for each in (found or {}).get("subjects") or () if not _same(each, subject)]
        if found is None or len(others) == len(found.get("subjects") or ()):
            click.echo(f"namespace/{namespace} is not served")
            continue
        if others:
            session.api.merge(path, {"subjects": others})
        else:
            session.api.delete(path)
        click.echo(f"namespace/{namespace} is not served any more")


@tenant.command("list")
@options.session("json", "yaml")
def list_(session: Session) -> None:
    """List the namespaces that are served, as far as you may look."""
    served = []
    for binding in _visible(session):
        if binding["roleRef"]["name"] != ROLE:
            continue
        for each in binding.get("subjects") or ():
            hub = f"{each.get('namespace', '')}/{each['name']}"
            served.append({"namespace": binding["metadata"]["namespace"], "hub": hub})
    if session.format:
        show.structured(served, session.format)
        return
    show.table(("NAMESPACE", "HUB"), sorted((each["namespace"], each["hub"]) for each in served))


# --------------------------------------------------------------------------- inside


def _bindings(namespace: str) -> str:
    if "/" in namespace or not namespace:
        raise CliError(f"{namespace!r} is no namespace", Exit.USAGE)
    return f"{_RBAC}/namespaces/{quote(namespace, safe='')}/rolebindings"


def _visible(session: Session) -> list[Json]:
    """The cluster's bindings, or the namespace's where those may not be listed."""
    try:
        found: list[Json] = session.api.get(f"{_RBAC}/rolebindings")["items"]
    except CliError as error:
        if error.exit_status is not Exit.DENIED:
            raise
        click.echo(f"Only namespace {session.namespace}: {error}", err=True)
        found = session.api.get(_bindings(session.namespace))["items"]
    return found


def _role_kind(session: Session, namespace: str) -> str:
    """A hub without cluster rights has its role in each namespace that it works for."""
    try:
        own = session.api.find(f"{_RBAC}/namespaces/{quote(namespace, safe='')}/roles/{ROLE}")
    except CliError as error:
        if error.exit_status is not Exit.DENIED:
            raise
        own = None
    return "ClusterRole" if own is None else "Role"


def _binding(namespace: str, subject: Json, role_kind: str) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ROLE, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": ROLE},
        "subjects": [subject],
    }


def _same(given: Json, subject: Json) -> bool:
    return all(given.get(part) == value for part, value in subject.items())
