"""The options that commands share: where they work, as whom, and how they print."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])
TOKEN_VARIABLE = "INTEGRATION_HUB_TOKEN"  # noqa: S105 - its name
FORMATS = ("json", "yaml", "name", "wide")


def session(*formats: str) -> Callable[[Function], Function]:
    """Options of whatever talks to the API server. The command gets a Session first, closed after it.

    `formats` are those of -o that the command knows besides its table.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(*args: Any, **given: Any) -> Any:
            made = Session(
                namespace_given=given.pop("namespace") or "",
                context=given.pop("context") or "",
                kubeconfig=given.pop("kubeconfig") or "",
                format=given.pop("output", None) or "",
            )
            for name in ("server", "service_account", "hub_namespace", "hub_service"):
                if name in given:
                    setattr(made, name, given.pop(name) or getattr(made, name))
            made.token = _token(given.pop("token_file", None))
            try:
                return function(made, *args, **given)
            finally:
                made.close()

        wrapped: Any = run
        if formats:
            shown = click.Choice(list(formats))
            wrapped = click.option("-o", "--output", type=shown, help="How to print it; a table by default.")(
                wrapped
            )
        for option in (
            click.option("--kubeconfig", type=click.Path(), help="Kubeconfig file."),
            click.option("--context", shell_complete=_contexts, help="Context of the kubeconfig."),
            click.option(
                "-n", "--namespace", shell_complete=_namespaces, help="Namespace; the context's by default."
            ),
        ):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[no-any-return]

    return decorate


def hub(function: Function) -> Function:
    """Options of whatever talks to the hub as well; goes below `session`."""
    wrapped: Any = function
    for option in (
        click.option(
            "--hub-service",
            default="enterprise-hub:8000",
            show_default=True,
            help="The hub's Service and its port, for the port-forward.",
        ),
        click.option(
            "--hub-namespace",
            default="integration-hub",
            show_default=True,
            envvar="INTEGRATION_HUB_NAMESPACE",
            help="The namespace it is in.",
        ),
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False),
            help="File with the bearer token for the hub; or set INTEGRATION_HUB_TOKEN.",
        ),
        click.option(
            "--service-account",
            default="default",
            show_default=True,
            help="ServiceAccount of the namespace to speak to the hub as, where no token is given.",
        ),
        click.option(
            "--server",
            envvar="INTEGRATION_HUB_SERVER",
            help="URL of the hub; by default a port-forward to its Service.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def one_integration(function: Function) -> Function:
    """The argument NAME."""
    return click.argument("name", shell_complete=_integrations)(function)


def many_integrations(function: Function) -> Function:
    """The arguments NAME…"""
    return click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_integrations)(function)


def some_integrations(function: Function) -> Function:
    """The arguments NAME…, at least one."""
    chosen = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=_integrations)
    return chosen(function)


def one_product(function: Function) -> Function:
    """The argument NAME of a ProductRegistration."""
    return click.argument("name", shell_complete=_products)(function)


def one_provider(function: Function) -> Function:
    """The argument NAME of a provider."""
    return click.argument("name", shell_complete=_providers)(function)


def _token(file: str | None) -> str:
    """Never from an argument: those can be read by everybody on the machine."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        with click.open_file(file) as opened:
            return str(opened.read()).strip()
    except OSError as error:
        raise CliError(f"--token-file {file}: {error.strerror}", Exit.USAGE) from None


# --------------------------------------------------------------------------- completion


def _contexts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from integration_hub.cli import kubeconfig  # noqa: PLC0415

    del param
    return _matching(kubeconfig.contexts(str(ctx.params.get("kubeconfig") or "")), incomplete)


def _namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    return _named(ctx, lambda _: "/api/v1/namespaces", incomplete)


def _integrations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    return _of_ours(ctx, "integrations", incomplete)


def _products(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    return _of_ours(ctx, "productregistrations", incomplete)


def _providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    return _named(ctx, lambda _: _path("clusterintegrationproviders", ""), incomplete)


def _of_ours(ctx: click.Context, plural: str, incomplete: str) -> list[CompletionItem]:
    return _named(ctx, lambda made: _path(plural, made.namespace), incomplete)


def _path(plural: str, namespace: str) -> str:
    from integration_hub.cli.api_server import resource_path  # noqa: PLC0415

    return resource_path(plural, namespace)


def _named(ctx: click.Context, path: Callable[[Session], str], incomplete: str) -> list[CompletionItem]:
    """Names of objects; none where the API server does not tell: completion must never complain."""
    made = Session(
        namespace_given=str(ctx.params.get("namespace") or ""),
        context=str(ctx.params.get("context") or ""),
        kubeconfig=str(ctx.params.get("kubeconfig") or ""),
    )
    try:
        listed = made.api.get(path(made))
    except CliError:
        return []
    finally:
        made.close()
    return _matching([each["metadata"]["name"] for each in listed.get("items") or ()], incomplete)


def _matching(names: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
