"""What an Integration's `config` must look like, as its provider says, and whether it does.

A provider writes `configSchema` as JSON Schema or in the short form (see `json_schema`). To the
schema's own rules come ours: defaults are filled in, size is bounded, and nothing that looks like a
secret may stand in a config.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integration_hub.domain.json_schema import JsonSchema, SchemaProblem, too_large, with_defaults

MAX_CONFIG_BYTES = 8_192
MAX_PROBLEMS = 5
_SECRET_WORD = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pwd|secret|token|api_?key|private_?key|secret_?key|access_?key"
    r"|credentials?|client_?secret|signing_?key|encryption_?key|authorization|bearer|connection_?string)$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|^(?:xox[abeoprs]-|gh[opsru]_|github_pat_|glpat-|[sr]k_live_"
    r"|AKIA[0-9A-Z]{16}$|eyJ[A-Za-z0-9_-]{8,}\.eyJ|Bearer\s+\S|[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@)"
)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with a config: `field` is its dotted path (empty: the whole), `message` the way out.

    A message never repeats the value: somebody may have put a secret there by mistake.
    """

    field: str
    message: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class ValidConfig:
    """The config with the schema's defaults filled in."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InvalidConfig:
    """At most MAX_PROBLEMS of what is wrong, in the order of the fields."""

    problems: tuple[ConfigProblem, ...]

    @property
    def has_secret(self) -> bool:
        return any(problem.secret for problem in self.problems)

    @property
    def message(self) -> str:
        """One line for a condition."""
        return "; ".join(problem.message for problem in self.problems)


class ConfigSchema:
    """A provider's schema, ready to judge configs. Immutable; share it."""

    def __init__(self, compiled: JsonSchema) -> None:
        self._compiled = compiled

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema in its full form."""
        return self._compiled.schema

    @staticmethod
    def read(written: Mapping[str, Any], field: str = "configSchema") -> ConfigSchema | SchemaProblem:
        """Normalise and compile what the provider wrote; `{}` accepts any config."""
        compiled = JsonSchema.read(written, field=field)
        return compiled if isinstance(compiled, SchemaProblem) else ConfigSchema(compiled)

    def validate(self, config: Mapping[str, Any]) -> ValidConfig | InvalidConfig:
        """Apply defaults, refuse what looks like a secret, then judge by the schema."""
        oversize = too_large(config, MAX_CONFIG_BYTES)
        if oversize:
            return InvalidConfig((ConfigProblem("", f"spec.config is {oversize}"),))
        secrets = tuple(_secrets(config, ()))[:MAX_PROBLEMS]
        if secrets:
            return InvalidConfig(secrets)
        filled = with_defaults(self.schema, config)
        problems: list[ConfigProblem] = []
        for found in self._compiled.problems(filled, root="spec.config", of="the provider's configSchema"):
            problem = ConfigProblem(found.path, found.message)
            if problem not in problems:
                problems.append(problem)
            if len(problems) == MAX_PROBLEMS:
                break
        return InvalidConfig(tuple(problems)) if problems else ValidConfig(filled)


def _secrets(value: Any, path: tuple[str, ...]) -> Iterator[ConfigProblem]:
    """Every place in a config that looks like a secret, by its key or by its value."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _secrets(child, (*path, str(key)))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _secrets(child, (*path, str(index)))
    elif isinstance(value, str) and value and (_names_secret(path) or _SECRET_VALUE.search(value)):
        field = ".".join(path)
        yield ConfigProblem(
            field,
            f"spec.config.{field} looks like a secret: remove it, put it into the Secret that "
            "spec.credentials.secretRef names, and replace it at the vendor, since it was readable here",
            secret=True,
        )


def _names_secret(path: tuple[str, ...]) -> bool:
    """Whether the last key that is a name (not a list index) is a secret's: apiKey, db_password, TOKEN."""
    named = [step for step in path if not step.isdigit()]
    if not named:
        return False
    words = re.sub(r"[^A-Za-z0-9]+", "_", _CAMEL.sub("_", named[-1])).lower().strip("_")
    return _SECRET_WORD.search(words) is not None
