"""RESULTS.md from the figures of a run."""

from __future__ import annotations

from typing import Any


def render(results: dict[str, Any]) -> str:
    """Markdown with the bars, what was reached, and the raw passes."""
    reconcile, memory, start = results["reconcile"], results["memory"], results["cold_start"]
    rate, cpu = reconcile["rate_ratio"], reconcile["cpu_ratio"]
    seconds = start["seconds"]
    rows = [
        (
            "status-changing reconciles/s ÷ raw apply rate",
            "≥ 0.5, aim 0.7",
            _spread(rate),
            rate["median"] >= 0.5,
        ),
        ("CPU per reconcile ÷ controller-runtime's", "≤ 1.5, aim 1.0", _spread(cpu), cpu["median"] <= 1.5),
        ("writes of a no-op look at every object", "0", str(max(start["writes"])), max(start["writes"]) == 0),
        (
            f"RSS at {memory['many']:,} Integrations",
            "≤ 250 MiB, aim 160",
            f"{memory['many_mib'][0]:.0f} MiB (peak {memory['many_mib'][1]:.0f})",
            memory["many_mib"][1] <= 250,
        ),
        (
            "RSS slope per 1,000",
            "≤ 8 MiB, aim 4",
            f"{memory['slope_mib_per_1000']:.1f} MiB",
            memory["slope_mib_per_1000"] <= 8,
        ),
        (
            f"cold start, {start['objects']:,} settled objects",
            "≤ 15 s, aim 8 s, 0 writes",
            f"{seconds['median']:.1f} s (worst {seconds['max']:.1f})",
            seconds["max"] <= 15,
        ),
    ]
    lines = [
        "<!-- Written by `make bench`. Do not edit. -->",
        "# Results",
        "",
        f"Run of {results['date']} on {results['versions']['machine']}; "
        + ", ".join(f"{name} {value}" for name, value in results["versions"].items() if name != "machine")
        + ".",
        "Hub and controls share the machine with the API server and etcd, so wall rates are those of a small",
        "box; the ratios, taken in pairs within one run, are what counts. Medians, in brackets minimum and",
        "maximum. Only the API budget is lifted; all else is as shipped.",
        "",
        "| Bar | Wanted | Reached | |",
        "|---|---|---|---|",
        *(
            f"| {bar} | {wanted} | {reached} | {'met' if met else '**not met**'} |"
            for bar, wanted, reached, met in rows
        ),
        "",
        f"## Passes over {reconcile['objects']:,} objects",
        "",
        "*raw*: the hub's own client applying the same statuses at the same concurrency. *control*: a small",
        "controller-runtime reconciler (`benchmarks/control`) writing the same body.",
        "",
        "| Program | objects/s | CPU ms per object |",
        "|---|---|---|",
    ]
    for title, passes in reconcile["passes"].items():
        lines += [f"| {title} | {one['rate']:.0f} | {one['cpu_ms']:.2f} |" for one in passes]
    return "\n".join([*lines, ""])


def _spread(figures: dict[str, float]) -> str:
    return f"{figures['median']:.2f} ({figures['min']:.2f} to {figures['max']:.2f})"
