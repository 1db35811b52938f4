"""Verbs that show what went through the hub: health, metrics, logs, figures, audit."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import click

from integration_hub.cli import options, show
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.hub_api import HubApi
from integration_hub.cli.session import Session

Json = Any
LEVELS = ("debug", "info", "warn", "error")
_FOLLOW_SECONDS = 2.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command()
@click.argument("name", required=False)
@options.session("json", "yaml")
@options.hub
def health(session: Session, *, name: str | None) -> None:
    """Show how Integrations are at this moment.

    Ends with status 1 if one of them is unhealthy.
    """
    hub = session.hub(warn=_warn)
    if name:
        told = hub.get(f"{_hub(name)}/health")["health"]
        rows = [{"name": name, "health": told}]
    else:
        summary = told = hub.get("/api/v1/integrations/health")
        rows = summary["integrations"]
    if session.format:
        show.structured(told, session.format)
    else:
        show.table(
            ("NAME", "STATUS", "UPTIME", "ERRORS", "RESPONSE", "CHECKED", "LAST ERROR"),
            [_health_row(each["name"], each["health"]) for each in rows],
        )
    if any(each["health"]["status"] == "unhealthy" for each in rows):
        raise click.exceptions.Exit(int(Exit.FAILED))


@click.command()
@options.one_integration
@click.option("--window", help="How far back, such as 24h, at most 48h; since the first request by default.")
@options.session("json", "yaml")
@options.hub
def metrics(session: Session, *, name: str, window: str | None) -> None:
    """Show the figures of an Integration."""
    told = session.hub(warn=_warn).get(f"{_hub(name)}/metrics", {"window": window})["metrics"]
    if session.format:
        show.structured(told, session.format)
        return
    total = told["totalRequests"]
    rate = 100 * told["successfulRequests"] / total if total else None
    show.facts(
        [
            ("Requests", total),
            ("Successful", told["successfulRequests"]),
            ("Failed", told["failedRequests"]),
            ("Success rate", show.percent(rate)),
            ("Average response", _milliseconds(told["averageResponseTime"])),
            ("Data transferred", _bytes(told["dataTransferred"])),
            ("Last activity", _past(told["lastActivity"])),
        ]
    )


@click.command()
@click.option("--window", help="How far back requests are counted, such as 24h, at most 48h.")
@options.session("json", "yaml")
@options.hub
def stats(session: Session, *, window: str | None) -> None:
    """Show the figures of a namespace."""
    path = f"/api/integration-hub/projects/{quote(session.namespace, safe='')}/statistics"
    told = session.hub(warn=_warn).get(path, {"window": window})["statistics"]
    if session.format:
        show.structured(told, session.format)
        return
    show.facts(
        [
            ("Integrations", told["total"]),
            *((f"  {word}", count) for word, count in told["byStatus"].items()),
            ("By type", ", ".join(f"{word} {count}" for word, count in sorted(told["byType"].items()))),
            ("Healthy", told["healthyCount"]),
            ("Unhealthy", told["unhealthyCount"]),
            ("Requests", told["totalRequests"]),
            ("Average response", _milliseconds(told["averageResponseTime"])),
        ]
    )


@click.command()
@options.one_integration
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most entries.")
@click.option("--level", type=click.Choice(LEVELS), help="This level and all that is more serious.")
@click.option("--since", help="Not older than this, such as 1h, or a time such as 2026-01-15T10:30:00Z.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@options.session("json", "yaml", "wide")
@options.hub
def logs(
    session: Session, *, name: str, limit: int, level: str | None, since: str | None, follow: bool
) -> None:
    """Show what went through an Integration, oldest first."""
    hub, path = session.hub(warn=_warn), f"{_hub(name)}/logs"
    entries = hub.get(path, {"limit": limit, "level": level, "since": _moment(since)})["logs"]
    if session.format in {"json", "yaml"} and not follow:
        show.structured(entries, session.format)
        return
    for entry in reversed(entries):
        _log_line(entry, wide=session.format == "wide")
    if follow:
        _follow(hub, path, level, entries, wide=session.format == "wide")


@click.command()
@click.argument("name", required=False)
@click.option("--actor", help="Only what this user did.")
@click.option("--since", help="Not older than this, such as 24h.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most entries.")
@options.session("json", "yaml")
@options.hub
def audit(session: Session, *, name: str | None, actor: str | None, since: str | None, limit: int) -> None:
    """Show who did what, and who used which credentials; newest first."""
    query = {"name": name, "actor": actor, "since": _moment(since), "limit": limit}
    entries = session.hub(warn=_warn).get("/api/v1/audit", query)["entries"]
    if session.format:
        show.structured(entries, session.format)
        return
    show.table(
        ("TIME", "ACTOR", "ACTION", "RESOURCE", "NAME", "OUTCOME", "DETAIL"),
        [
            (
                *(each["timestamp"], each["actor"], each["action"], each["resource"]),
                *(each["name"], each["outcome"], each["detail"]),
            )
            for each in entries
        ],
    )


# --------------------------------------------------------------------------- inside


def _hub(name: str) -> str:
    return f"/api/integration-hub/{quote(name, safe='')}"


def _health_row(name: str, told: Json) -> tuple[object, ...]:
    return (
        name,
        told["status"],
        show.percent(told["uptime"], 1),
        show.percent(told["errorRate"], 1),
        _milliseconds(told["responseTime"]),
        _past(told["lastCheck"]),
        told["lastError"],
    )


def _follow(hub: HubApi, path: str, level: str | None, seen: list[Json], *, wide: bool) -> None:
    """Ask again and again for what is newer; entries of the last moment are told apart by their content."""
    last = seen[0]["timestamp"] if seen else datetime.now(UTC).isoformat()
    known = [each for each in seen if each["timestamp"] == last]
    while True:
        time.sleep(_FOLLOW_SECONDS)
        newer = hub.get(path, {"limit": 1000, "level": level, "since": last})["logs"]
        for entry in reversed([each for each in newer if each not in known]):
            _log_line(entry, wide=wide)
        if newer:
            last = newer[0]["timestamp"]
            known = [each for each in newer if each["timestamp"] == last]


def _log_line(entry: Json, *, wide: bool) -> None:
    status = entry.get("status") or "-"
    line = (
        f"{entry['timestamp']}  {entry['level']:<5}  {entry.get('method', '')} {entry.get('path', '')}  "
        f"{status}  {entry.get('duration', 0)} ms  {entry['message'] or entry.get('outcome', '')}"
    )
    if wide:
        line += (
            f"  [{entry.get('purpose', '')} {entry.get('caller') or 'hub'} {entry.get('correlationId', '')}]"
        )
    line = show.plain(line)
    colour = {"error": "red", "warn": "yellow"}.get(entry["level"])
    click.echo(click.style(line, fg=colour) if colour and show.coloured() else line)


def _moment(given: str | None) -> str | None:
    """A time as the API takes it; `1h` is an hour ago."""
    if not given:
        return None
    if given[-1] in _UNITS and given[:-1].isdigit():
        ago = timedelta(seconds=int(given[:-1]) * _UNITS[given[-1]])
        return (datetime.now(UTC) - ago).isoformat().replace("+00:00", "Z")
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise CliError(
            f"--since {given}: give a span such as 1h, or a time such as 2026-01-15T10:30:00Z", Exit.USAGE
        ) from None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:g} ms"


def _bytes(value: int) -> str:
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")  # pragma: no cover


def _past(moment: str | None) -> str:
    return f"{show.ago(moment)} ago" if moment else ""


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
