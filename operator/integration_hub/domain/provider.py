"""A provider's definition: whether it holds together, who may use it, and what is said about it.

`examine` is the one judgement of a provider's spec. Its own reconciler reports it, and every
Integration that uses the provider relies on it, so the two cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from integration_hub.api.meta import format_time
from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import conditions, offerings, placeholder, url
from integration_hub.domain import provider_authentication as authentication
from integration_hub.domain.classification import CLASS_VARIABLES
from integration_hub.domain.conditions import ConditionReport, Finding, fails, holds
from integration_hub.domain.config_schema import ConfigSchema
from integration_hub.domain.json_schema import SchemaProblem
from integration_hub.ports import ExpressionError, Expressions, Json

TEMPLATE_VARIABLES = ("config",)
"""What a placeholder in a URL, a path or a header may use."""
MAX_TOLD = 3
"""Problems named in one message; the rest is counted."""
_SETTING = re.compile(r"config\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class ProviderProblem:
    """One thing wrong with a provider; `message` begins with the field's path below spec."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Examined:
    """A provider's spec and what came of examining it. The schemas are None where they cannot be used."""

    spec: ProviderSpec
    config_schema: ConfigSchema | None
    credentials_schema: ConfigSchema | None
    problems: tuple[ProviderProblem, ...]

    @property
    def usable(self) -> bool:
        return not self.problems


def examine(spec: ProviderSpec, expressions: Expressions) -> Examined:
    """Compile and parse everything that a provider declares, once for all who use it."""
    config = ConfigSchema.read(spec.config_schema)
    credentials = ConfigSchema.read(spec.credentials_schema, "credentialsSchema")
    problems = [
        *_schema_problems(config),
        *_schema_problems(credentials),
        *_address_problems(spec),
        *_expression_problems(spec, expressions),
        *(_unknown_settings(spec, config) if isinstance(config, ConfigSchema) else ()),
        *(
            ProviderProblem(Reason.PROVIDER_INVALID, f"spec.{field}: {problem}")
            for field, problem in authentication.gaps(spec)
        ),
        *(
            ProviderProblem(reason, f"spec.{message}")
            for reason, message in offerings.problems(spec, expressions)
        ),
    ]
    return Examined(
        spec,
        config if isinstance(config, ConfigSchema) else None,
        credentials if isinstance(credentials, ConfigSchema) else None,
        tuple(problems),
    )


def may_use(spec: ProviderSpec, owner_namespace: str, namespace: str) -> bool:
    """Whether Integrations of `namespace` may use a provider of `owner_namespace` ("": a cluster's)."""
    if owner_namespace in ("", namespace):
        return True
    return "*" in spec.shared_with or namespace in spec.shared_with


def finding(examined: Examined) -> Finding:
    """What a provider's `Ready` says."""
    if examined.usable:
        return holds(Reason.ACCEPTED, "The definition holds together; Integrations may use it.")
    told = "; ".join(each.message for each in examined.problems[:MAX_TOLD])
    more = len(examined.problems) - MAX_TOLD
    return fails(examined.problems[0].reason, told + (f"; and {more} more" if more > 0 else ""))


def report(
    ready: Finding,
    *,
    integration_count: int,
    previous: Mapping[str, Json],
    generation: int,
    now: datetime,
) -> tuple[dict[str, Json], ConditionReport]:
    """The whole status of a provider, and what is new about its conditions.

    `previous` is its present status, `integration_count` how many Integrations name it.
    """
    told = conditions.build(
        previous.get("conditions", ()), {}, ready=ready, generation=generation, now=now, stalled=True
    )
    same_spec = previous.get("observedGeneration") == generation
    status = {
        "observedGeneration": generation,
        "conditions": told.conditions,
        "integrationCount": integration_count,
        "updatedAt": (previous.get("updatedAt") if same_spec else None) or format_time(now),
    }
    return status, told


def _schema_problems(read: ConfigSchema | SchemaProblem) -> Iterator[ProviderProblem]:
    if isinstance(read, SchemaProblem):
        yield ProviderProblem(Reason.SCHEMA_INVALID, f"spec.{read.message}")


def _address_problems(spec: ProviderSpec) -> Iterator[ProviderProblem]:
    """Addresses that can be judged before any config is known: those without placeholders in them."""
    addresses = {"baseUrl": spec.base_url}
    addresses |= {f"regions.{name}": address for name, address in spec.regions.items()}
    addresses |= dict(authentication.addresses(spec))
    for field, address in addresses.items():
        if not address or "{{" in address or "}}" in address:
            continue
        parsed = url.parse(address, trust="tenant", namespace="")
        if isinstance(parsed, url.UrlProblem):
            yield ProviderProblem(Reason.INVALID_URL, f"spec.{field}: {parsed.message}")
    roots = {"baseUrl": spec.base_url}
    roots |= {f"regions.{name}": address for name, address in spec.regions.items()}
    for field, root in roots.items():
        # Paths are appended to it as written. A question mark inside of a placeholder is CEL's.
        if "?" in _outside_placeholders(root):
            yield ProviderProblem(
                Reason.INVALID_URL,
                f"spec.{field}: it has a query, to which no path can be appended: put it into the paths",
            )
    if spec.probe is not None and not spec.probe.path.startswith(("/", "{{")):
        yield ProviderProblem(Reason.INVALID_URL, "spec.probe.path: the path must start with a slash")


def _outside_placeholders(template: str) -> str:
    parts = placeholder.split(template)
    return (
        ""
        if isinstance(parts, placeholder.PlaceholderProblem)
        else "".join(part for part in parts if isinstance(part, str))
    )


def _expression_problems(spec: ProviderSpec, expressions: Expressions) -> Iterator[ProviderProblem]:
    """Every CEL expression and every placeholder, compiled with the variables it may use."""
    for field, source, variables in _expressions(spec):
        program = expressions.compile(source, variables)
        if isinstance(program, ExpressionError):
            yield ProviderProblem(Reason.EXPRESSION_INVALID, f"spec.{field}: {program.message}")
    for field, template, variables in _templates(spec):
        sources = placeholder.expressions(template)
        if isinstance(sources, placeholder.PlaceholderProblem):
            yield ProviderProblem(Reason.EXPRESSION_INVALID, f"spec.{field}: {sources.message}")
            continue
        for source in sources:
            program = expressions.compile(source, variables)
            if isinstance(program, ExpressionError):
                yield ProviderProblem(
                    Reason.EXPRESSION_INVALID, f"spec.{field}, in {{{{ {source} }}}}: {program.message}"
                )


def _unknown_settings(spec: ProviderSpec, config: ConfigSchema) -> Iterator[ProviderProblem]:
    """Placeholders that no config can ever fill, since the schema takes no setting of that name."""
    if config.schema.get("additionalProperties") is not False:
        return
    known = config.schema.get("properties") or {}
    for field, template, variables in _templates(spec):
        sources = placeholder.expressions(template) if "config" in variables else ()
        for source in () if isinstance(sources, placeholder.PlaceholderProblem) else sources:
            asked = _SETTING.fullmatch(source.strip())
            if asked is not None and asked[1] not in known:
                named = ", ".join(sorted(known)) or "none"
                yield ProviderProblem(
                    Reason.EXPRESSION_INVALID,
                    f"spec.{field}, in {{{{ {source} }}}}: configSchema has no setting called {asked[1]} "
                    f"(known: {named})",
                )


def _expressions(spec: ProviderSpec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for index, rule in enumerate(spec.classes):
        yield f"classes[{index}].when", rule.when, CLASS_VARIABLES
    if spec.probe is not None:
        for index, rule in enumerate(spec.probe.classes):
            yield f"probe.classes[{index}].when", rule.when, CLASS_VARIABLES
    yield from authentication.expressions(spec)


def _templates(spec: ProviderSpec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield "baseUrl", spec.base_url, TEMPLATE_VARIABLES
    for name, value in spec.default_headers.items():
        yield f"defaultHeaders.{name}", value, TEMPLATE_VARIABLES
    if spec.probe is not None:
        yield "probe.path", spec.probe.path, TEMPLATE_VARIABLES
        for name, value in spec.probe.headers.items():
            yield f"probe.headers.{name}", value, TEMPLATE_VARIABLES
    yield from authentication.templates(spec)
    for index, rule in enumerate(spec.classes):
        yield f"classes[{index}].message", rule.message, CLASS_VARIABLES
    if spec.probe is not None:
        for index, rule in enumerate(spec.probe.classes):
            yield f"probe.classes[{index}].message", rule.message, CLASS_VARIABLES
