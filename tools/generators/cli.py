"""The reference of the command line, from its commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from generators.reference import NOTE
from integration_hub.cli.exits import Exit
from integration_hub.cli.tree import PLUGIN, main

_VARIABLES = (
    ("KUBECONFIG", "kubeconfig files, as kubectl reads them"),
    ("INTEGRATION_HUB_SERVER", "URL of the hub, as --server"),
    (
        "INTEGRATION_HUB_TOKEN",
        "bearer token for the hub; never an argument, which others on the machine could read",
    ),
    ("INTEGRATION_HUB_NAMESPACE", "the namespace the hub is in, as --hub-namespace"),
    ("NO_COLOR", "no colours, even at a terminal"),
)


def page() -> str:
    """docs/reference/cli.md."""
    lines = [
        NOTE,
        "# kubectl hub",
        "",
        "Every command and option. How to work with them: [guide](../guides/cli.md).",
        f"`{PLUGIN}` is the program `kubectl-hub`; the program `integration-hub` has the same commands.",
    ]
    for path, command in _commands(main, (PLUGIN,)):
        lines += ["", f"## {' '.join(path)}", "", *_about(path, command)]
    lines += ["", "## Exit status", "", "| Status | Means |", "|---|---|"]
    lines += [f"| {int(status)} | {status.meaning} |" for status in Exit]
    lines += ["", "## Environment", "", "| Variable | Means |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in _VARIABLES]
    return "\n".join([*lines, ""])


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        here = (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, here)
        else:
            yield here, command


def _about(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(path))
    yield f"`{command.get_usage(context).removeprefix('Usage: ')}`"
    yield ""
    yield from (line.strip() for line in (command.help or "").strip().splitlines())
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        yield ""
        yield "| Option | Default | Means |"
        yield "|---|---|---|"
        for option in options:
            yield _row(option, context)


def _row(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    kind = "" if option.is_flag else f" {_kind(option, context)}"
    shown = option.show_default and option.default is not None
    default = f"`{option.default}`" if shown else ""
    return f"| {names}{kind} | {default} | {option.help} |"


def _kind(option: click.Option, context: click.Context) -> str:
    if isinstance(option.type, click.Choice):
        return r" \| ".join(f"`{choice}`" for choice in option.type.choices)
    return option.make_metavar(context).split("  ")[0]
