"""What Argo CD and Flux make of the hub's objects, with the files that people paste."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from lupa import LuaRuntime

import hub_chart
from integration_hub.adapters.cel import CelExpressions
from integration_hub.api.conditions import PENDING
from integration_hub.api.reasons import Reason
from integration_hub.ports import ExpressionError
from integration_hub.reconcilers import heal_brake

GITOPS = hub_chart.ROOT / "manifests" / "gitops"
LUA = (GITOPS / "argocd" / "health.lua").read_text()
CONFIG_MAP = yaml.safe_load((GITOPS / "argocd" / "argocd-cm.yaml").read_text())


def spoken(status: str, reason: str, *, observed: int = 1, generation: int = 1) -> dict[str, Any]:
    """An object as it stands after the hub spoke of it."""
    return {
        "metadata": {"generation": generation},
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {"type": "Connected", "status": "True", "reason": "Connected", "message": "fine"},
                {
                    "type": "Ready",
                    "status": status,
                    "reason": str(reason),
                    "message": f"because of {reason}",
                    "observedGeneration": observed,
                },
            ],
        },
    }


NEWBORN = {
    "metadata": {"generation": 1},
    "status": {"observedGeneration": -1, "conditions": [dict(PENDING)]},
}


@pytest.mark.req("PLT-08")
@pytest.mark.parametrize(
    ("body", "health"),
    [
        ({"metadata": {"generation": 1}}, "Progressing"),
        (NEWBORN, "Progressing"),
        (spoken("True", Reason.SUCCEEDED), "Healthy"),
        (spoken("True", Reason.SUCCEEDED, observed=1, generation=2), "Progressing"),
        (spoken("False", Reason.INVALID_CREDENTIALS), "Degraded"),
        (spoken("False", Reason.PAUSED), "Suspended"),
        (spoken("False", Reason.PENDING_AUTHORIZATION), "Suspended"),
        (spoken("Unknown", Reason.PROBE_PENDING), "Progressing"),
    ],
    ids=[
        "no status",
        "newborn",
        "ready",
        "edited since",
        "wrong key",
        "paused",
        "to be connected",
        "unknown",
    ],
)
def test_argo_cd_sees_the_health_that_the_hub_reports(body: dict[str, Any], health: str) -> None:
    lua = LuaRuntime(unpack_returned_tuples=True)
    # Argo CD's sandbox has the basic functions and tables, and neither files nor processes.
    for library in ("io", "os", "package", "debug", "string", "math"):
        lua.globals()[library] = None
    lua.globals().obj = lua.table_from(body, recursive=True)
    seen = lua.execute(LUA)
    assert seen.status == health
    assert seen.message


def test_argo_cd_shows_the_hubs_own_words() -> None:
    lua = LuaRuntime()
    lua.globals().obj = lua.table_from(spoken("False", Reason.INVALID_CREDENTIALS), recursive=True)
    assert lua.execute(LUA).message == "because of InvalidCredentials"


def test_the_config_map_to_paste_holds_the_same_script() -> None:
    customizations = yaml.safe_load(CONFIG_MAP["data"]["resource.customizations"])
    assert customizations["integrationhub.io/*"]["health.lua"] == LUA


def test_argo_cd_is_told_which_manager_heals() -> None:
    ignored = yaml.safe_load(CONFIG_MAP["data"]["resource.customizations.ignoreDifferences.apps_Deployment"])
    assert ignored == {"managedFieldsManagers": [heal_brake.MANAGER]}


@pytest.mark.req("PLT-08")
@pytest.mark.parametrize(
    ("body", "current", "failed"),
    [
        (NEWBORN, False, False),
        (spoken("True", Reason.SUCCEEDED), True, False),
        (spoken("False", Reason.INVALID_CREDENTIALS), False, True),
        (spoken("False", Reason.INVALID_CREDENTIALS, observed=1, generation=2), False, False),
    ],
    ids=["newborn", "ready", "wrong key", "edited since"],
)
def test_flux_waits_for_ready_and_gives_up_on_a_refusal(
    body: dict[str, Any], current: bool, failed: bool
) -> None:
    documents = yaml.safe_load_all((GITOPS / "flux" / "integration-hub.yaml").read_text())
    (check,) = [part for d in documents for part in d["spec"].get("healthCheckExprs", [])]
    for name, expected in (("current", current), ("failed", failed)):
        program = CelExpressions().compile(check[name], ("metadata", "status"))
        assert not isinstance(program, ExpressionError), program
        assert program.evaluate(body) is expected
