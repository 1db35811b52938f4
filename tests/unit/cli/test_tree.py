"""The commands: found, explained, and cheap to start."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from integration_hub.__main__ import main as program
from integration_hub.api import integration as kind
from integration_hub.api import product_key as kind_of_keys
from integration_hub.api.kinds import KINDS
from integration_hub.cli import main
from integration_hub.cli.api_server import GROUP_PATH, INTEGRATIONS, OWN_PROVIDERS, PRODUCTS, PROVIDERS
from integration_hub.cli.commands import completion
from integration_hub.cli.commands.integration import ROTATION_REQUESTED, TEST_REQUESTED
from integration_hub.cli.commands.product import REVOCATION_REQUESTED
from integration_hub.cli.tree import VERBS

HEAVY = (
    "pydantic",
    "kubernetes",
    "kopf",
    "aiohttp",
    "fastapi",
    "httpx2",
    "cryptography",
    "rich",
    "structlog",
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_says_the_same_of_itself_as_the_list_does(verb: str) -> None:
    loaded = VERBS[verb].load()
    assert (loaded.help or "").splitlines()[0] == VERBS[verb].help


@pytest.mark.parametrize("asked", [["--help"], ["get", "--help"], ["exec", "--help"]])
def test_help_imports_nothing_that_takes_its_time(asked: list[str]) -> None:
    program = (
        "import sys\nfrom integration_hub.cli import main\n"
        f"try: main({asked!r})\nexcept SystemExit: pass\n"
        f"print(*[each for each in {HEAVY!r} if each in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stderr.strip() == ""


def test_both_programs_have_the_verbs_and_one_of_them_runs_the_hub() -> None:
    plugin, whole = (CliRunner().invoke(each, ["--help"]).stdout for each in (main, program))
    for verb in VERBS:
        assert f"  {verb} " in plugin
        assert f"  {verb} " in whole
    assert "  run " in whole
    assert "  run " not in plugin


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (["--help"], 0),
        (["nonsense"], 2),
        (["exec", "slack", "FETCH", "/"], 2),
        (["get", "--kubeconfig", "/nowhere/at/all"], 2),
        (["test"], 2),
        (["check", "http://127.0.0.1:1", "--timeout", "0"], 6),
        (["stats", "-n", "a", "--server", "http://127.0.0.1:1"], 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_statuses_are_the_documented_ones(
    asked: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATION_HUB_TOKEN", "t")
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output


def test_paths_and_marks_are_those_of_the_kinds() -> None:
    """The command line does not import the kinds, which would take too long: this holds them together."""
    plurals = {info.plural for info in KINDS}
    assert {INTEGRATIONS, OWN_PROVIDERS, PRODUCTS, PROVIDERS} == plurals
    assert f"/apis/{KINDS[0].group}/{KINDS[0].version}" == GROUP_PATH
    assert kind.TEST_REQUESTED == TEST_REQUESTED
    assert kind.ROTATION_REQUESTED == ROTATION_REQUESTED
    assert kind_of_keys.REVOCATION_REQUESTED == REVOCATION_REQUESTED


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_completion_script_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell], prog_name="kubectl-hub")
    assert result.exit_code == 0
    assert "_KUBECTL_HUB_COMPLETE" in result.stdout


def test_kubectl_is_told_the_verbs_and_what_they_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-hub", "co"])
    completion.for_kubectl()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("connect\tConnect an account")
    assert [line for line in lines if line.startswith("get")] == []
    assert lines[-1] == ":4"


def test_every_option_is_explained() -> None:
    silent = [
        f"{verb} {parameter.opts[0]}"
        for verb in VERBS
        for command in _commands(VERBS[verb].load())
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def _commands(command: click.Command) -> list[click.Command]:
    if isinstance(command, click.Group):
        return [inner for each in command.commands.values() for inner in _commands(each)]
    return [command]
