"""The guides name what is there: settings, reasons, metrics, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from integration_hub.__main__ import run
from integration_hub.api.reasons import Reason
from integration_hub.domain.healing import checks
from integration_hub.handlers.feed import FeedState
from integration_hub.metrics import Metrics
from integration_hub.runtime.queue import QueueStats
from integration_hub.runtime_metrics import RuntimeCollector
from integration_hub.settings import Settings
from integration_hub.store import StoreStats

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "guides"
PAGES = sorted(
    [
        *GUIDES.glob("*.md"),
        *(ROOT / "docs/decisions").glob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    ]
)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    text = (GUIDES / page).read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_setting_is_listed_with_its_default_and_flag() -> None:
    listed = {}
    flags = set()
    for name, default, _ in rows("operations.md", "Settings"):
        variable = re.findall(r"`([A-Z_]+)`", name)[0]
        listed[variable.removeprefix("INTEGRATION_HUB_").lower()] = default.strip("`")
        flags |= set(re.findall(r"`(--[a-z-]+)`", name))
    assert list(listed) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, bool | int | float | str) and not name.endswith("identity"):
            assert listed[name] == str(field.default).replace("True", "true"), name
    assert flags == {parameter.opts[0] for parameter in run.params}


def test_the_reasons_that_stop_healing_are_listed_in_the_order_in_which_they_are_asked() -> None:
    listed = [cells[0].strip("`") for cells in rows("healing.md", "Why nothing happens")]
    assert set(listed) <= {reason.value for reason in Reason}
    assert len(set(listed)) == len(listed)
    source = Path(checks.__file__ or "").read_text()
    asked = re.findall(r"^    (\w+),$", source.split("CHECKS: tuple", 1)[1], re.MULTILINE)
    told = [
        Reason[name].value
        for check in asked
        for name in re.findall(
            r"Reason\.(\w+)", re.split(rf"^def {check}\(", source, flags=re.MULTILINE)[1].split("\ndef ")[0]
        )
    ]
    assert listed == [*dict.fromkeys(told), Reason.HEAL_ACTION_NOT_ALLOWED.value]


def test_every_metric_is_listed() -> None:
    listed = {cells[0].strip("`") for cells in rows("operations.md", "Metrics")}
    registry = CollectorRegistry()
    Metrics(registry).watch_pool(lambda: (0, 0))
    registry.register(
        RuntimeCollector(
            queue=lambda: QueueStats(0, 0, 0, 0, 0.0, 0, 0),
            feed=lambda: FeedState(True, True, 0.0, 0.0, 0, 0, None, ""),
            objects=dict,
            cache_lag=lambda: None,
            loop_lag=lambda: 0.0,
            store=lambda: StoreStats("sqlite", 0, 0, 0, 0.0, 0),
        )
    )
    there = set()
    for metric in registry.collect():
        there.add(f"{metric.name}_total" if metric.type == "counter" else metric.name)
    assert listed == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_reasons_in_backticks_exist(page: Path) -> None:
    """CamelCase words in the second column of a table or in the text that look like reasons of ours."""
    known = {reason.value for reason in Reason}
    for word in re.findall(
        r"`((?:Heal|Secret|Provider|Config|Workload|Address)[A-Z][A-Za-z]+)`", page.read_text()
    ):
        assert word in known | {
            "ConfigMap",
            "ConfigValid",
            "HealAction",
            "HealPolicy",
            "SecretAccessDenied",
        }, word
