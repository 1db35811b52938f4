"""Calls through a connection: what is asked for, and what came of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, StrictBool

from integration_hub.domain.call import Wording
from integration_hub.gateway.families.models import Answer, Body
from integration_hub.gateway.families.spelling import Spelling
from integration_hub.operations.execute import Rehearsed
from integration_hub.operations.one_call import Answered
from integration_hub.operations.widget import WidgetData

_ISSUES: dict[str, Any] = {
    "method": "GET",
    "endpoint": "/repos/owner/repo/issues",
    "data": {"state": "open", "labels": "bug"},
}


class CallBody(Body):
    """One call."""

    model_config = ConfigDict(json_schema_extra={"example": _ISSUES})

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        default=None, description="HTTP method; GET by default, a named endpoint's own where one is named."
    )
    endpoint: str = Field(
        min_length=1,
        max_length=2048,
        description="Path below the provider's base, such as /user; or the name of one of its endpoints.",
    )
    data: Any = Field(
        default=None,
        description="Query of a GET, body of the other methods; values by name for a named endpoint.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Values of a named endpoint's parameters, beside data."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, max_length=32, description="Further headers; never credentials."
    )

    def wording(self) -> Wording:
        return Wording(self.endpoint, self.method or "", self.data, self.parameters, self.headers)


class ExecuteBody(CallBody):
    """One call, or its rehearsal."""

    dry_run: StrictBool = Field(default=False, description="Compose and check the call, and send nothing.")


class BatchBody(Body):
    """Calls that are made side by side and answered in their order."""

    calls: list[CallBody] = Field(min_length=1, max_length=1000, description="The calls.")
    native: StrictBool = Field(
        default=True, description="Use the provider's own batches, where it has them and they fit."
    )


class UpstreamAnswer(Answer):
    """What the outside system answered."""

    status: int = Field(description="HTTP status.")
    headers: dict[str, str] = Field(description="Headers, names in small letters.")
    data: Any = Field(description="The body, decoded as encoding tells.")
    encoding: Literal["json", "text", "base64", "none"] = Field(
        description="json: decoded; text: as it came; base64: its bytes; none: there was no body."
    )
    truncated: bool = Field(description="Whether the body was cut off, being too large.")
    duration: int = Field(description="Time until the answer, in milliseconds.")
    attempts: int = Field(description="Requests that were sent for it.")
    cached: bool = Field(description="Whether it was served from the response cache.")

    @classmethod
    def of(cls, answered: Answered) -> UpstreamAnswer:
        return cls(
            status=answered.status,
            headers=dict(answered.headers),
            data=answered.data,
            encoding=answered.encoding,
            truncated=answered.truncated,
            duration=answered.milliseconds,
            attempts=answered.attempts,
            cached=answered.cached,
        )


class ExecuteAnswer(Answer):
    """What came of a call."""

    result: UpstreamAnswer = Field(description="The outside system's answer.")


class RehearsedAnswer(Answer):
    """What would be sent, without what the credentials add."""

    method: str = Field(description="HTTP method.")
    url: str = Field(description="The final address.")
    headers: dict[str, str] = Field(description="Headers of provider and call.")
    data: Any = Field(description="The body.")
    encoding: Literal["json", "text", "base64", "none"] = Field(description="How data stands for the body.")
    authentication: str = Field(description="How the call would prove itself.")


class DryRunAnswer(Answer):
    """A call that was not sent."""

    dry_run: RehearsedAnswer = Field(description="What it would have been.")

    @classmethod
    def of(cls, rehearsed: Rehearsed, spelling: Spelling) -> DryRunAnswer:
        return cls(
            dry_run=RehearsedAnswer(
                method=rehearsed.method,
                url=rehearsed.url,
                headers=dict(rehearsed.headers),
                data=rehearsed.data,
                encoding=rehearsed.encoding,
                authentication=spelling.word(rehearsed.authentication),
            )
        )


class FailedCall(Answer):
    """Why one call of a batch came to nothing; as every error, and the outside system's answer if any."""

    error: str = Field(description="What was not done.")
    details: str = Field(description="Why, and what to do about it.")
    code: str = Field(description="Stable word to match on.")
    timestamp: str = Field(description="When, UTC to the second.")
    retryable: bool = Field(description="Whether the same call may succeed later.")
    upstream: UpstreamAnswer | None = Field(default=None, description="What the outside system answered.")


class BatchItem(Answer):
    """One call's outcome: `result` or `error`, never both."""

    success: bool = Field(description="Whether it succeeded.")
    result: UpstreamAnswer | None = Field(default=None, description="The outside system's answer.")
    error: FailedCall | None = Field(default=None, description="Why it failed.")


class BatchAnswer(Answer):
    """All outcomes, in the order of the calls."""

    results: list[BatchItem] = Field(description="One for each call.")
    successful: int = Field(description="How many succeeded.")
    failed: int = Field(description="How many failed.")


class WidgetAnswer(Answer):
    """A widget's data."""

    widget_id: str = Field(description="The widget.")
    title: str = Field(description="Its title.")
    data: Any = Field(description="What it shows.")
    cached: bool = Field(description="Whether it was served from the cache.")
    ttl_seconds: int = Field(description="How long it may be served again.")

    @classmethod
    def of(cls, shown: WidgetData) -> WidgetAnswer:
        return cls(
            widget_id=shown.widget,
            title=shown.title,
            data=shown.data,
            cached=shown.cached,
            ttl_seconds=shown.ttl_seconds,
        )
