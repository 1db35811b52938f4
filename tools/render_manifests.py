#!/usr/bin/env python3
"""Write what derives from the chart, or check that it has not drifted.

    python tools/render_manifests.py            write
    python tools/render_manifests.py --check    write nothing; exit 1 and name the files that differ

Derived: `manifests/base`, which a real helm renders from the chart's defaults for namespace integration-hub
(for those who take kustomize rather than helm); `manifests/namespaced`, the roles that a cluster has to have
before somebody without cluster rights installs a hub; and the table of values in the chart's README.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools")]

from controlplane.binaries import locate_helm  # noqa: E402 - after the path is set
from generators import chart_readme  # noqa: E402

CHART = ROOT / "charts" / "integration-hub"
BASE = ROOT / "manifests" / "base"
NAMESPACED = ROOT / "manifests" / "namespaced"
NAME = "integration-hub"
HEADER = "# Rendered from charts/integration-hub by tools/render_manifests.py. Do not edit.\n"


def outputs() -> dict[Path, str]:
    """The derived files with their content; the CRDs are apart from the rest."""
    documents = _rendered()
    roles = _rendered("--show-only", "templates/rbac-aggregated.yaml", "--set", "rbac.installer=true")
    definitions = [part for part in documents if "\nkind: CustomResourceDefinition\n" in part]
    rest = [part for part in documents if part not in definitions]
    readme = CHART / "README.md"
    return {
        readme: chart_readme.with_values(readme.read_text(), (CHART / "values.yaml").read_text()),
        BASE / "crds.yaml": _joined(definitions),
        BASE / "integration-hub.yaml": _joined(rest),
        NAMESPACED / "roles.yaml": _joined(roles),
    }


def _rendered(*options: str) -> list[str]:
    ran = subprocess.run(
        [str(locate_helm()), "template", NAME, str(CHART), "--namespace", NAME, *options],
        capture_output=True,
        text=True,
        check=True,
    )
    return [part.strip() for part in f"\n{ran.stdout}".split("\n---\n") if part.strip()]


def _joined(documents: list[str]) -> str:
    return HEADER + "\n---\n".join(documents) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    check = parser.parse_args().check
    drifted = {
        path: text for path, text in outputs().items() if not path.exists() or path.read_text() != text
    }
    for path, text in drifted.items():
        name = path.relative_to(ROOT)
        if check:
            print(f"drifted: {name} (run `make generate`)")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
