"""Verbs that call an outside system through the hub."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options, show
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.hub_api import HubError
from integration_hub.cli.session import Session

Json = Any
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@click.command("exec")
@options.one_integration
@click.argument("method", type=click.Choice(METHODS, case_sensitive=False))
@click.argument("path")
@click.option("-d", "--data", help="Body as JSON, `@file`, or `@-` for standard input; the query of a GET.")
@click.option("-H", "--header", "headers", multiple=True, help="`Name: value`; never credentials.")
@click.option("-i", "--include", is_flag=True, help="Tell status and headers on standard error.")
@click.option("--idempotency-key", help="With the same key, a POST is done once.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@options.session("json", "yaml")
@options.hub
def execute(
    session: Session,
    *,
    name: str,
    method: str,
    path: str,
    data: str | None,
    headers: tuple[str, ...],
    include: bool,
    idempotency_key: str | None,
    dry_run: bool,
) -> None:
    """Call an outside system through an Integration.

    PATH is below the provider's base, such as /user, or the name of one of its endpoints. Credentials are
    added by the hub; you never see them. Ends with status 1 if the call failed.
    """
    body = {"method": method.upper(), "endpoint": path, "headers": _headers(headers), "dryRun": dry_run}
    if data is not None:
        body["data"] = _data(data)
    key = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    where = f"/api/integration-hub/{quote(name, safe='')}/execute"
    try:
        answer = session.hub(warn=_warn).post(where, body, key)
    except HubError as error:
        if error.upstream:
            _told(error.upstream, session.format, include=True)
        raise
    if dry_run:
        show.structured(answer["dryRun"], session.format or "json")
        return
    _told(answer["result"], session.format, include=include)


@click.group()
def cache() -> None:
    """Look after cached answers."""


@cache.command()
@options.one_integration
@options.session()
@options.hub
def clear(session: Session, *, name: str) -> None:
    """Forget the answers that are cached for an Integration."""
    session.hub(warn=_warn).delete(f"/api/v1/integrations/{quote(name, safe='')}/cache")
    click.echo(f"integration/{name} has no cached answers any more")


# --------------------------------------------------------------------------- inside


def _data(given: str) -> Json:
    text = given
    if given.startswith("@"):
        try:
            with click.open_file(given[1:]) as opened:
                text = str(opened.read())
        except OSError as error:
            raise CliError(f"--data {given}: {error.strerror}", Exit.USAGE) from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(f"--data is no JSON: {error}", Exit.USAGE) from None


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    split = [each.partition(":") for each in given]
    for name, separator, _ in split:
        if not separator or not name.strip():
            raise CliError(f"--header {name!r} is no `Name: value`", Exit.USAGE)
    return {name.strip(): value.strip() for name, _, value in split}


def _told(answer: Json, form: str, *, include: bool) -> None:
    """The body to standard output, as it is; the rest, if wanted, to standard error."""
    if form:
        show.structured(answer, form)
        return
    if include:
        cached = ", from the cache" if answer.get("cached") else ""
        attempts = answer.get("attempts") or 0
        again = f", {attempts} attempts" if attempts > 1 else ""
        click.echo(f"HTTP {answer['status']} in {answer.get('duration', 0)} ms{again}{cached}", err=True)
        for name, value in (answer.get("headers") or {}).items():
            click.echo(f"{name}: {value}", err=True)
    encoding, data = answer.get("encoding"), answer.get("data")
    if encoding == "base64":
        import base64  # noqa: PLC0415

        sys.stdout.flush()
        sys.stdout.buffer.write(base64.b64decode(data))
    elif encoding == "text":
        click.echo(data)
    elif encoding != "none":
        show.structured(data, "json")
    if answer.get("truncated"):
        _warn("the answer was cut off: it is larger than the hub keeps")


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
