"""The commands by name, each imported when it is called for, so that `--help` costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from integration_hub import __version__
from integration_hub.cli.exits import CliError, Exit

PLUGIN = "kubectl hub"
_COMMANDS = "integration_hub.cli.commands"


@dataclass(frozen=True, slots=True)
class Later:
    """Where a command is, and its line in the list of commands."""

    module: str
    name: str
    help: str

    def load(self) -> click.Command:
        command = getattr(import_module(self.module), self.name)
        assert isinstance(command, click.Command)  # noqa: S101 - our own table
        return command


def _at(place: str, line: str) -> Later:
    module, _, name = place.partition(":")
    return Later(f"{_COMMANDS}.{module}", name, line)


VERBS: Mapping[str, Later] = {
    "get": _at("integration:get", "List Integrations, or show one."),
    "connect": _at(
        "connect:connect", "Connect an account: open the vendor's page and wait until it is Ready."
    ),
    "test": _at("integration:test", "Test connections now."),
    "enable": _at("integration:enable", "Let an Integration make calls again."),
    "disable": _at("integration:disable", "Stop every call, probe and sync of an Integration."),
    "rotate": _at("integration:rotate", "Replace the credentials of an Integration now."),
    "diagnose": _at("diagnose:diagnose", "Find out what is wrong, and what to do about it."),
    "exec": _at("calls:execute", "Call an outside system through an Integration."),
    "logs": _at("observe:logs", "Show what went through an Integration, oldest first."),
    "metrics": _at("observe:metrics", "Show the figures of an Integration."),
    "stats": _at("observe:stats", "Show the figures of a namespace."),
    "health": _at("observe:health", "Show how Integrations are at this moment."),
    "audit": _at("observe:audit", "Show who did what, and who used which credentials; newest first."),
    "cache": _at("calls:cache", "Look after cached answers."),
    "provider": _at("provider:provider", "Browse what can be connected."),
    "product": _at("product:product", "Look after products and the keys by which they speak to the hub."),
    "tenant": _at("tenant:tenant", "Let the hub into namespaces, and out."),
    "check": _at("check:check", "Ask a hub whether it is ready and closed to strangers."),
    "completion": _at("completion:completion", "Print a completion script for a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are `Later`s, besides those that it was given."""

    def __init__(self, *args: Any, later: Mapping[str, Later] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.later = dict(later or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.later, *sorted(set(super().list_commands(ctx)) - set(self.later))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self.later.get(cmd_name)
        return found.load() if found is not None else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing one."""
        rows = [(name, each.help) for name, each in self.later.items()]
        own = ((name, self.commands[name]) for name in super().list_commands(ctx))
        rows += [(name, each.get_short_help_str(limit=90)) for name, each in own if name not in self.later]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; whatever goes wrong ends in one line and one of the documented statuses."""
        run: Any = super().main
        if kwargs.pop("standalone_mode", True) is False:
            return run(*args, standalone_mode=False, **kwargs)
        program = kwargs.setdefault("prog_name", _program())
        try:
            ended = run(*args, standalone_mode=False, **kwargs)
        except CliError as error:
            click.echo(f"{program}: {error}", err=True)
            sys.exit(int(error.exit_status))
        except click.ClickException as error:
            error.show()
            sys.exit(int(Exit.USAGE))
        except (click.Abort, KeyboardInterrupt):
            click.echo("", err=True)
            sys.exit(int(Exit.INTERRUPTED))
        except BrokenPipeError:  # `| head` has seen enough
            sys.stderr.close()
            sys.exit(int(Exit.OK))
        sys.exit(ended if isinstance(ended, int) else int(Exit.OK))


def _program() -> str:
    """As it was called: kubectl runs `kubectl hub` as the program kubectl-hub."""
    called = Path(sys.argv[0]).name
    return PLUGIN if called in {"kubectl-hub", "__main__.py"} else called


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=LazyGroup, later=VERBS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name=PLUGIN)
def main() -> None:
    """Outside connections of your namespaces, at hand.

    Objects are read and changed at the API server, with your own rights. What went through the hub is asked
    of the hub itself, by a port-forward or at --server.
    """
