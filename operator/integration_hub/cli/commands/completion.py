"""Completion for shells, and for `kubectl hub` itself."""

from __future__ import annotations

import sys

import click

from integration_hub.cli.exits import CliError, Exit

SHELLS = ("bash", "zsh", "fish")
_NO_FILES = 4
"""cobra's ShellCompDirectiveNoFileComp, which kubectl hands on to the shell."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell.

    It completes the program as it was called. For `kubectl hub` nothing is needed but kubectl's own
    completion: it asks the program kubectl_complete-hub, which comes with this one.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    root = ctx.find_root().command
    program = (ctx.find_root().info_name or "kubectl-hub").replace(" ", "-")
    found = get_completion_class(shell)
    if found is None:
        raise CliError(f"there is no completion for {shell}", Exit.USAGE)
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    click.echo(found(root, {}, program, variable).source())


def for_kubectl() -> None:
    """Entry point `kubectl_complete-hub`: kubectl's protocol for plugins. One suggestion per line.

    Its arguments are what follows `kubectl hub` on the command line, the last of them unfinished.
    """
    from click.shell_completion import ShellComplete  # noqa: PLC0415

    from integration_hub.cli.tree import PLUGIN, main  # noqa: PLC0415

    *words, unfinished = sys.argv[1:] or [""]
    suggested = ShellComplete(main, {}, PLUGIN, "").get_completions(words, unfinished)
    for each in suggested:
        if each.type == "plain":
            sys.stdout.write(f"{each.value}\t{each.help}\n" if each.help else f"{each.value}\n")
    directive = 0 if any(each.type in {"file", "dir"} for each in suggested) else _NO_FILES
    sys.stdout.write(f":{directive}\n")
