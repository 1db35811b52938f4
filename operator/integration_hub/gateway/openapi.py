"""What /openapi.json says of every route: the bearer token it needs, and the one shape of errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from integration_hub.gateway.errors import Error
from integration_hub.gateway.identity import PRODUCT_KEY

_REFUSALS = {
    "400": "No namespace was named, or the request cannot be read.",
    "401": "No valid bearer token.",
    "403": "The caller may not do this.",
    "404": "There is nothing by this path or id.",
    "409": "It stands against what is there.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A field is wrong; `details` names it.",
    "429": "Too many requests; see Retry-After.",
    "503": "Not now; see Retry-After.",
}
_WITH_BODY_ONLY = {"413", "415"}


def describe(app: FastAPI) -> None:
    """Replace how the application describes itself. The description is made once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description="Connections to outside systems. Errors have one shape everywhere: see Error.",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Error"] = Error.model_json_schema()
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "Kubernetes token for audience integration-hub, PassPort token, static key, or a "
            "product's key.",
        },
        "productKey": {
            "type": "apiKey",
            "in": "header",
            "name": PRODUCT_KEY,
            "description": "A product's key, in place of Authorization. It opens its own registration only.",
        },
    }
    components["responses"] = {
        f"Refused{status}": {
            "description": text,
            "headers": {
                "X-Correlation-Id": {"schema": {"type": "string"}, "description": "Quote it in reports."}
            },
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, text in _REFUSALS.items()
    }
    document["security"] = [{"bearer": []}]
    for path in document["paths"].values():
        for operation in path.values():
            _add_refusals(operation)
    return document


def _add_refusals(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    for status in _REFUSALS:
        if status not in _WITH_BODY_ONLY or "requestBody" in operation:
            responses[status] = {"$ref": f"#/components/responses/Refused{status}"}
