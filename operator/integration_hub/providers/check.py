"""Whether a provider can be used at all: what the schema of its kind cannot say.

Asked by the reconciler of both provider kinds (conditions `ExpressionInvalid`, `SchemaInvalid`,
`ProviderInvalid`) and by the test that every file of the catalogue passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integration_hub.api.provider import ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import placeholder, url
from integration_hub.domain.classification import CLASS_VARIABLES
from integration_hub.domain.config_schema import ConfigSchema, SchemaProblem
from integration_hub.domain.placeholder import PlaceholderProblem
from integration_hub.domain.url import UrlProblem
from integration_hub.ports import ExpressionError, Expressions
from integration_hub.providers.request import VARIABLES


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing wrong with a provider: a stable reason, the field, and what to do."""

    reason: Reason
    field: str
    message: str


def check_spec(spec: ProviderSpec, expressions: Expressions) -> tuple[SpecProblem, ...]:
    """Everything wrong with the provider, in the order of its fields; empty if it can be used."""
    return (*_addresses(spec), *_schemas(spec), *_templates(spec, expressions), *_rules(spec, expressions))


def _addresses(spec: ProviderSpec) -> Iterator[SpecProblem]:
    fixed = {f"spec.regions.{name}": address for name, address in spec.regions.items()}
    if "{{" not in spec.base_url:
        fixed["spec.baseUrl"] = spec.base_url
    for field, address in fixed.items():
        target = url.parse(address, trust="tenant", namespace="")
        problem = target.message if isinstance(target, UrlProblem) else ""
        if not problem and "?" in address:
            problem = "the base URL must not have a query"
        if problem:
            yield SpecProblem(Reason.PROVIDER_INVALID, field, f"{field}: {problem}")


def _schemas(spec: ProviderSpec) -> Iterator[SpecProblem]:
    for field, written in (
        ("spec.configSchema", spec.config_schema),
        ("spec.credentialsSchema", spec.credentials_schema),
    ):
        schema = ConfigSchema.read(written)
        if isinstance(schema, SchemaProblem):
            message = schema.message.replace("configSchema", field)
            yield SpecProblem(Reason.SCHEMA_INVALID, field, message)


def _templates(spec: ProviderSpec, expressions: Expressions) -> Iterator[SpecProblem]:
    templates = {"spec.baseUrl": spec.base_url}
    templates |= {f"spec.defaultHeaders.{name}": value for name, value in spec.default_headers.items()}
    if spec.probe is not None:
        templates["spec.probe.path"] = spec.probe.path
        templates |= {f"spec.probe.headers.{name}": value for name, value in spec.probe.headers.items()}
    for index, endpoint in enumerate(spec.endpoints):
        templates[f"spec.endpoints[{index}].path"] = endpoint.path
    for field, template in templates.items():
        yield from _compiled(field, template, VARIABLES, expressions)


def _rules(spec: ProviderSpec, expressions: Expressions) -> Iterator[SpecProblem]:
    for index, rule in enumerate(spec.classes):
        field = f"spec.classes[{index}]"
        program = expressions.compile(rule.when, CLASS_VARIABLES)
        if isinstance(program, ExpressionError):
            message = f"{field}.when does not compile: {program.message}"
            yield SpecProblem(Reason.EXPRESSION_INVALID, f"{field}.when", message)
        yield from _compiled(f"{field}.message", rule.message, CLASS_VARIABLES, expressions)


def _compiled(
    field: str, template: str, variables: Sequence[str], expressions: Expressions
) -> Iterator[SpecProblem]:
    sources = placeholder.expressions(template)
    if isinstance(sources, PlaceholderProblem):
        yield SpecProblem(Reason.EXPRESSION_INVALID, field, f"{field}: {sources.message}")
        return
    for source in sources:
        program = expressions.compile(source, variables)
        if isinstance(program, ExpressionError):
            message = f"{field}: {{{{ {source} }}}} does not compile: {program.message}"
            yield SpecProblem(Reason.EXPRESSION_INVALID, field, message)
