"""RESULTS.md from the figures of a run: the bars, what was reached, and the passes they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = tuple[str, str, str, bool]
"""A bar, what is wanted, what was reached, whether that is enough."""
Figures = dict[str, Any]


def render(results: Figures) -> str:
    """Markdown of the parts that were measured."""
    bars = [row for part, rows in _PARTS.items() if part in results for row in rows(results[part])]
    lines = [
        "<!-- Written by `make bench`. Do not edit. -->",
        "# Results",
        "",
        f"Run of {results['date']} on {results['versions']['machine']}; "
        + ", ".join(f"{name} {value}" for name, value in results["versions"].items() if name != "machine")
        + ".",
        "Hub, controls, callers and far ends share the machine with the API server and etcd, so wall rates",
        "are those of a small box; CPU time and the ratios, taken in pairs within one run, are what counts.",
        "Medians, in brackets minimum and maximum. The hub runs as shipped, all roles in one process; only",
        "the API budget is lifted, and the limit of a single caller where one stands for many.",
        "",
        "| Bar | Wanted | Reached | |",
        "|---|---|---|---|",
        *(
            f"| {bar} | {wanted} | {reached} | {'met' if met else '**not met**'} |"
            for bar, wanted, reached, met in bars
        ),
        "",
    ]
    if "reconcile" in results:
        lines += _passes(results["reconcile"])
    if "storm" in results:
        lines += _storm_told(results["storm"])
    return "\n".join(lines)


# ---------------------------------------------------------------------- the operator


def _reconcile(found: Figures) -> Iterator[Row]:
    rate, cpu = found["rate_ratio"], found["cpu_ratio"]
    title = "status-changing reconciles/s ÷ raw apply rate"
    yield title, "≥ 0.5, aim 0.7", _spread(rate), rate["median"] >= 0.5
    yield "CPU per reconcile ÷ controller-runtime's", "≤ 1.5, aim 1.0", _spread(cpu), cpu["median"] <= 1.5


def _memory(found: Figures) -> Iterator[Row]:
    (now, peak), slope = found["many_mib"], found["slope_mib_per_1000"]
    told = f"{now:.0f} MiB (peak {peak:.0f}); the operator alone {found['operator_mib'][0]:.0f}"
    yield f"RSS at {found['many']:,} Integrations", "≤ 250 MiB, aim 160", told, peak <= 250
    yield "RSS slope per 1,000", "≤ 8 MiB, aim 4", f"{slope:.1f} MiB", slope <= 8


def _cold_start(found: Figures) -> Iterator[Row]:
    seconds, most = found["seconds"], max(found["writes"])
    yield "writes of a no-op look at every object", "0", str(most), most == 0
    told = f"{seconds['median']:.1f} s (worst {seconds['max']:.1f})"
    title = f"cold start, {found['objects']:,} settled objects"
    yield title, "≤ 15 s, aim 8 s", told, seconds["max"] <= 15


# ---------------------------------------------------------------------- calls, probes, tokens


def _calls(found: Figures) -> Iterator[Row]:
    for load, words in (("one", "one after the other"), ("sixteen", "sixteen under way")):
        cpu, p50 = found[load]["added_cpu_ms"], found[load]["added_p50_ms"]
        direct = found[load]["direct_p50_ms"]["median"]
        yield (
            f"CPU that a call through the gateway adds, {words}",
            "≤ 1.5 ms",
            _spread(cpu, " ms") + _beside(found[load].get("control_cpu_ms")),
            cpu["median"] <= 1.5,
        )
        yield (
            f"p50 that it adds to the same call made directly ({direct:.1f} ms), {words}",
            "≤ 3 ms",
            _spread(p50, " ms") + _beside(found[load].get("control_p50_ms")),
            p50["median"] <= 3,
        )


def _beside(control: dict[str, float] | None) -> str:
    """What a gateway that does nothing else takes on the same machine in the same run."""
    return f"; bare passing on: {control['median']:.2f} ms" if control else ""


def _probes(found: Figures) -> Iterator[Row]:
    share = found["core_share"]
    title = f"{found['objects']:,.0f} Integrations probed every {found['interval_seconds']:.0f} s"
    told = f"{100 * share:.0f} % ({found['probes_per_second']:.1f} a second)"
    yield title, "≤ 20 % of a core", told, share <= 0.2


def _storm(found: Figures) -> Iterator[Row]:
    tokens, most = found["tokens"], found["most_requests_for_one"]
    title = f"{tokens:,} tokens that end at the same moment"
    told = f"{found['renewed']:,} renewed with at most {most} each"
    yield title, "one token request each", told, found["renewed"] == tokens and most == 1
    bad = found["late"] + found["calls"].get("unknown", 0)
    bad += sum(number for status, number in found["callers_told"].items() if status != "200")
    yield "of these, late, or seen by a caller", "none", str(bad), bad == 0


def _storm_told(found: Figures) -> list[str]:
    first, last = found["first_seconds_before_end"], found["last_seconds_before_end"]
    through, seen = found["callers_told"].get("200", 0), found["calls"].get("good", 0)
    most, cpu = found["most_in_one_second"], found["hub_cpu_ms_per_token"]
    return [
        f"## A storm of {found['tokens']:,} tokens",
        "",
        f"Renewed from {first:.0f} s to {last:.0f} s before they ended, at most {most} in one second.",
        f"Meanwhile {through:,} calls of 100 callers went through; the far end saw {seen:,}, probes among",
        f"them, each with a token that worked. A renewal cost {found['writes_per_token']:.2f} API writes",
        "(the Secret with the token, the status with its times) and, with the calls and probes of that time,",
        f"{cpu:.1f} ms of CPU.",
        "",
    ]


def _cli(found: Figures) -> Iterator[Row]:
    for command, seconds in found["commands"].items():
        told = (
            f"{1000 * seconds['median']:.0f} ms ({1000 * found['python']['median']:.0f} of it Python's own)"
        )
        yield f"start of `kubectl hub {command}`", "≤ 300 ms", told, seconds["median"] <= 0.3


_PARTS = {
    "reconcile": _reconcile,
    "memory": _memory,
    "cold_start": _cold_start,
    "calls": _calls,
    "probes": _probes,
    "storm": _storm,
    "cli": _cli,
}


def _passes(found: Figures) -> list[str]:
    lines = [
        f"## Passes over {found['objects']:,} objects",
        "",
        "*raw*: the hub's own client applying the same statuses at the same concurrency. *control*: a small",
        "controller-runtime reconciler (`benchmarks/control`) writing the same body.",
        "",
        "| Program | objects/s | CPU ms per object |",
        "|---|---|---|",
    ]
    for title, passes in found["passes"].items():
        lines += [f"| {title} | {one['rate']:.0f} | {one['cpu_ms']:.2f} |" for one in passes]
    return [*lines, ""]


def _spread(figures: dict[str, float], unit: str = "") -> str:
    return f"{figures['median']:.2f}{unit} ({figures['min']:.2f} to {figures['max']:.2f})"
