"""What goes in and comes out, typed: one set of models for all families. Enums are words of the family."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_T = TypeVar("_T")

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
