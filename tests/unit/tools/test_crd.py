"""The CRD generator refuses what Kubernetes cannot express or what nobody could explain."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field, create_model

from generators.crd import NotExpressibleError, custom_resource_definition
from integration_hub.api.conditions import StatusBase
from integration_hub.api.kinds import KINDS
from integration_hub.api.meta import FreeJson, KindInfo, ListMap, Model, Rule


def kind_with(annotation: Any, **field: Any) -> KindInfo:
    field.setdefault("description", "A field.")
    spec = create_model("Spec", __base__=Model, __doc__="A spec.", value=(annotation, Field(**field)))
    return KindInfo(
        kind="Thing",
        plural="things",
        singular="thing",
        short_names=(),
        spec=spec,
        status=StatusBase,
        description="A thing.",
        columns=(),
    )


def spec_of(info: KindInfo) -> dict[str, Any]:
    version = custom_resource_definition(info)["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


class Inner(Model):
    RULES = (Rule("self.low <= self.high", "low must not exceed high"),)
    low: int = Field(default=0, description="Low.", ge=0, le=9)
    high: int = Field(default=1, description="High.", ge=0, le=9)


@pytest.mark.parametrize(
    ("annotation", "field", "problem"),
    [
        pytest.param(str, {}, "maxLength", id="string without a maximum length"),
        pytest.param(int, {"ge": 0}, "maximum", id="number without a range"),
        pytest.param(
            list[Annotated[str, Field(max_length=9)]], {}, "maxItems", id="list without a maximum size"
        ),
        pytest.param(
            dict[str, Annotated[str, Field(max_length=9)]], {}, "maxProperties", id="map without one"
        ),
        pytest.param(list[str], {"max_length": 3}, r"\[\].*maxLength", id="items without a bound"),
        pytest.param(int | str, {}, "union", id="union of types"),
        pytest.param(
            str, {"max_length": 3, "description": ""}, "description", id="field without a description"
        ),
        pytest.param(bytes, {}, "no structural schema", id="type without a schema"),
    ],
)
def test_what_is_unbounded_or_inexpressible_is_refused_and_named(
    annotation: Any, field: dict[str, Any], problem: str
) -> None:
    with pytest.raises(NotExpressibleError, match=rf"Thing\.spec\.value.*{problem}"):
        custom_resource_definition(kind_with(annotation, **field))


@pytest.mark.parametrize(
    ("annotation", "field", "expected"),
    [
        pytest.param(
            Annotated[str, Field(max_length=5, pattern="^a$")],
            {},
            {"type": "string", "maxLength": 5, "pattern": "^a$"},
            id="bounds inside an annotation",
        ),
        pytest.param(
            int | None,
            {"default": None, "ge": 1, "le": 2},
            {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2},
            id="optional",
        ),
        pytest.param(
            Literal["a", "b"],
            {"default": "a"},
            {"type": "string", "enum": ["a", "b"], "default": "a"},
            id="enum",
        ),
        pytest.param(
            Annotated[dict[str, Any], FreeJson(7)],
            {},
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "maxProperties": 7},
            id="free JSON",
        ),
    ],
)
def test_types_become_structural_schemas(
    annotation: Any, field: dict[str, Any], expected: dict[str, Any]
) -> None:
    schema = spec_of(kind_with(annotation, **field))["properties"]["value"]
    assert schema == {"description": "A field.", **expected}


def test_a_part_brings_its_rules_and_lets_its_defaults_appear() -> None:
    schema = spec_of(kind_with(Inner, default_factory=Inner))["properties"]["value"]
    assert schema["default"] == {}
    assert schema["properties"]["high"]["default"] == 1
    assert schema["x-kubernetes-validations"] == [
        {"rule": "self.low <= self.high", "message": "low must not exceed high"}
    ]


def test_a_list_map_names_its_keys() -> None:
    listed = Annotated[list[Inner], ListMap(("low",)), Field(max_length=3)]
    schema = spec_of(kind_with(listed, default_factory=list))["properties"]["value"]
    assert schema["x-kubernetes-list-type"] == "map"
    assert schema["x-kubernetes-list-map-keys"] == ["low"]
    assert schema["maxItems"] == 3


@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_a_new_object_is_pending_and_never_ready(info: KindInfo) -> None:
    version = custom_resource_definition(info)["spec"]["versions"][0]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"]["observedGeneration"] == -1
    assert [(c["type"], c["status"], c["reason"]) for c in status["default"]["conditions"]] == [
        ("Ready", "Unknown", "Pending")
    ]


@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_every_rider_is_a_field_of_the_status(info: KindInfo) -> None:
    for path in info.riders:
        model: Any = info.status
        for part in path.split("."):
            field = {f.alias: f for f in model.model_fields.values()}[part]
            # An optional part is a union with None.
            model = next(iter(get_args(field.annotation)), field.annotation)


@pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
def test_at_most_eight_fields_are_selectable(info: KindInfo) -> None:
    assert len(info.selectable_fields) <= 8
