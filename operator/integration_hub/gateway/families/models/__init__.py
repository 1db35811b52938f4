"""What goes in and comes out, typed: one set of models for all families. Enums are words of the family."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_T = TypeVar("_T")

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
).fullmatch


def _moment(value: object) -> object:
    """Not all that could somehow be a time: numbers, dates without a clock, clocks without a zone."""
    if not isinstance(value, str) or not _RFC3339(value):
        raise ValueError("must be a time such as 2024-01-15T10:30:00Z")
    return value


def written_as(pattern: str, form: str) -> BeforeValidator:
    """For a field of this pattern: what else is written is refused with `form`, which people can read."""
    fits = re.compile(pattern).fullmatch

    def check(value: object) -> object:
        if isinstance(value, str) and not fits(value):
            raise ValueError(f"must be {form}")
        return value

    return BeforeValidator(check)


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time going in: RFC 3339, with any offset."""
INSTANCE = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"
Instance = Annotated[str, written_as(INSTANCE, "small letters, digits and dashes within")]
Limit = Annotated[int, Field(ge=1, le=500, description="Most items of one page.")]
Cursor = Annotated[str, Field(max_length=1024, description="nextCursor of the page before.")]


class Body(BaseModel):
    """Base of what goes in: camelCase, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Answer(BaseModel):
    """Base of what comes out: camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, serialize_by_alias=True
    )


class Listed(Answer, Generic[_T]):
    """A page of a list."""

    items: list[_T] = Field(description="The items of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one."
    )
    total: int = Field(description="How many items all pages have together.")
