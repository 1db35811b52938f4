"""A custom integration's template (002) to the spec of an IntegrationProvider, by the template's own words.

What 002's templates leave unsaid is read from what they say: the base address comes from the config field
that names one (`apiEndpoint`, `erpEndpoint`; C-52), the scheme from the fields of `credentialsSchema`, and
the probe is the first GET that needs nothing but the config. Each can be written out instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from integration_hub.api.provider import ProviderSpec
from integration_hub.domain.json_schema import SchemaProblem, normalise

API_KEY_HEADER = "X-API-Key"
_ADDRESS_FIELD = re.compile(r"(endpoint|url|address|host)$", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN_FIELDS = ("token", "accessToken", "bearerToken")


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """What must be mended; `message` begins with the field below template."""

    message: str


@dataclass(frozen=True, slots=True)
class Template:
    """As 002 has it. `base_url`, `auth_modes` and `probe` are for what cannot be read from the rest."""

    name: str
    description: str = ""
    type: str = "custom"
    configuration_schema: Mapping[str, Any] = field(default_factory=dict)
    credentials_schema: Mapping[str, Any] = field(default_factory=dict)
    endpoints: Sequence[Mapping[str, Any]] = ()
    webhooks: Sequence[Mapping[str, Any]] = ()
    base_url: str = ""
    auth_modes: Sequence[Mapping[str, Any]] = ()
    probe: Mapping[str, Any] | None = None
    shared_with: Sequence[str] = ()


def provider_spec(template: Template, category: str) -> dict[str, Any] | TemplateProblem:
    """The spec, in the CRD's own shape, or the first thing that is wrong with the template."""
    base = template.base_url or _base_url(template)
    modes = list(template.auth_modes) or _auth_modes(template)
    for found in (base, modes):
        if isinstance(found, TemplateProblem):
            return found
    spec: dict[str, Any] = {
        "displayName": template.name,
        "description": template.description,
        "category": category,
        "baseUrl": base,
        "authModes": modes,
        "configSchema": dict(template.configuration_schema),
        "credentialsSchema": dict(template.credentials_schema),
        "probe": dict(template.probe) if template.probe is not None else _probe(template),
        "endpoints": [dict(each) for each in template.endpoints],
        "webhooks": [dict(each) for each in template.webhooks],
        "supports": {"webhooks": True} if template.webhooks else None,
        "sharedWith": list(template.shared_with),
    }
    spec = {name: value for name, value in spec.items() if value not in (None, [], {}, "")}
    try:
        ProviderSpec.model_validate(spec)
    except ValidationError as error:
        return TemplateProblem(_told(error))
    return spec


def template_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's spec as a template again, to be shown."""
    return {
        "name": spec.get("displayName", ""),
        "description": spec.get("description", ""),
        "type": spec.get("category", "custom"),
        "configurationSchema": spec.get("configSchema") or {},
        "credentialsSchema": spec.get("credentialsSchema") or {},
        "endpoints": spec.get("endpoints") or [],
        "webhooks": spec.get("webhooks") or [],
        "baseUrl": spec.get("baseUrl", ""),
        "authModes": spec.get("authModes") or [],
        "probe": spec.get("probe"),
    }


def _fields(written: Mapping[str, Any], field_name: str) -> Mapping[str, Any] | TemplateProblem:
    """Name to schema of each field that a schema in either form declares."""
    schema = normalise(written, field=field_name)
    if isinstance(schema, SchemaProblem):
        return TemplateProblem(schema.message)
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _base_url(template: Template) -> str | TemplateProblem:
    fields = _fields(template.configuration_schema, "configurationSchema")
    if isinstance(fields, TemplateProblem):
        return fields
    named = [
        name
        for name, entry in fields.items()
        if _ADDRESS_FIELD.search(name) and isinstance(entry, Mapping) and entry.get("type") == "string"
    ]
    if len(named) == 1:
        return "{{ " + _config(named[0]) + " }}"
    why = f"{', '.join(named)} could each be it" if named else "no text field is called an endpoint or a URL"
    return TemplateProblem(
        "baseUrl: configurationSchema does not tell which field holds the base address "
        f"({why}): write it out, as in {{{{ config.apiEndpoint }}}}"
    )


def _config(name: str) -> str:
    return f"config.{name}" if _IDENTIFIER.fullmatch(name) else f"config[{json.dumps(name)}]"


def _auth_modes(template: Template) -> list[dict[str, Any]] | TemplateProblem:
    fields = _fields(template.credentials_schema, "credentialsSchema")
    if isinstance(fields, TemplateProblem):
        return fields
    names = list(fields)
    if not names:
        return [{"type": "NONE"}]
    if set(names) == {"username", "password"}:
        return [{"type": "BASIC"}]
    if len(names) == 1:
        name = names[0]
        if name in _TOKEN_FIELDS:
            renamed = {} if name == "token" else {"secretKeys": {"token": name}}
            return [{"type": "BEARER", **renamed}]
        renamed = {} if name == "apiKey" else {"secretKeys": {"apiKey": name}}
        return [{"type": "API_KEY", "apiKey": {"name": API_KEY_HEADER}, **renamed}]
    return TemplateProblem(
        f"authModes: credentialsSchema ({', '.join(names)}) does not tell how a call proves itself: write it "
        "out, as in [{type: API_KEY, apiKey: {name: X-API-Key}}]"
    )


def _probe(template: Template) -> dict[str, Any] | None:
    """The first GET that needs nothing but what the config says by the same name."""
    fields = _fields(template.configuration_schema, "configurationSchema")
    known = set(fields) if not isinstance(fields, TemplateProblem) else set()
    for endpoint in template.endpoints:
        path = endpoint.get("path")
        if endpoint.get("method", "GET") != "GET" or not isinstance(path, str) or "params." in path:
            continue
        needed = [
            str(parameter.get("name"))
            for parameter in endpoint.get("parameters") or ()
            if isinstance(parameter, Mapping) and parameter.get("required")
        ]
        if known.issuperset(needed):
            query = "&".join(f"{quote(name, safe='')}={{{{ {_config(name)} }}}}" for name in needed)
            joint = "&" if "?" in path else "?"
            return {"path": f"{path}{joint}{query}" if query else path}
    return None


def _told(error: ValidationError) -> str:
    """Each field by the template's name for it, never its value."""
    names = {"displayName": "name", "configSchema": "configurationSchema", "category": "type"}
    told = []
    for each in error.errors(include_input=False, include_url=False)[:3]:
        place = [str(step) for step in each["loc"]]
        place[:1] = [names.get(place[0], place[0])] if place else []
        told.append(f"{'.'.join(place)}: {each['msg']}")
    return "; ".join(told)
