"""One call on its way, and what is told about it: to the caller, to the log, to the metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from opentelemetry.context import Context

from integration_hub.api.reasons import Reason
from integration_hub.domain import redaction
from integration_hub.domain.classification import Outcome
from integration_hub.domain.concealment import Conceal, nothing
from integration_hub.egress.breakers import BreakerMetrics
from integration_hub.ports import (
    Breakers,
    CallAnswer,
    CallLog,
    CallRecord,
    CallRequest,
    Clock,
    HttpRequest,
    HttpResponse,
    Level,
    Link,
    Problem,
    Purpose,
    Wakeups,
    Windows,
)

CORRELATION_ID = re.compile(r"[A-Za-z0-9._:/=+@-]{1,128}")
_WARNINGS = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.CIRCUIT_OPEN,
        Reason.CONFIG_REFUSED,
        Reason.INVALID_CREDENTIALS,
        Reason.EGRESS_OVERLOADED,
        Reason.CONFIG_INVALID,
    }
)
_NOT_SHOWN = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-connection", "te"}
    | {"trailer", "transfer-encoding", "upgrade", "set-cookie", "set-cookie2"}
)


class CallStore(CallLog, Windows, Breakers, Wakeups, Protocol):
    """What calls need of the store."""

    @property
    def shared(self) -> bool: ...


class CallMetrics(BreakerMetrics, Protocol):
    """Figures of calls. `provider` is of a bounded set (`Link.provider_label`)."""

    def observe_call(
        self, provider: str, purpose: str, outcome: str, seconds: float, *, sent: int, received: int
    ) -> None:
        """One attempt, or a refusal before any (`seconds` 0). Bytes are of bodies."""
        ...

    def observe_rate_wait(self, provider: str, seconds: float) -> None: ...


@dataclass(slots=True)
class Journey:
    """A call, with what does not change from one attempt to the next. `host` for a person."""

    link: Link
    request: CallRequest
    correlation_id: str
    trace: Context | None
    host: str
    attempts: int = 0

    @property
    def forced(self) -> bool:
        """A person asks whether it works: that is a trial worth making."""
        return self.request.purpose is Purpose.TEST


@dataclass(frozen=True, slots=True)
class Tried:
    """What an attempt came to. Header and body are the far end's, without what is not to be shown."""

    outcome: Outcome
    problem: Problem | None
    headers: Mapping[str, str]
    body: bytes = b""
    truncated: bool = False


def told(journey: Journey, tried: Tried) -> CallAnswer:
    """The caller's answer."""
    outcome = tried.outcome
    return CallAnswer(
        reason=outcome.reason,
        status=outcome.status,
        headers=tried.headers,
        body=tried.body,
        truncated=tried.truncated,
        detail=outcome.detail,
        retry_after=outcome.retry_after,
        elapsed_seconds=outcome.elapsed_seconds,
        attempts=journey.attempts,
        problem=tried.problem,
    )


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """An answer's headers without those of the connection, and without cookies: nobody has a session here."""
    named = headers.get("connection", "")
    dropped = {part.strip().lower() for part in named.split(",")} if named else frozenset[str]()
    return {name: value for name, value in headers.items() if name not in _NOT_SHOWN and name not in dropped}


class Diary:
    """Writes down every attempt, and every refusal but a probe's."""

    def __init__(self, log: CallLog, metrics: CallMetrics, clock: Clock) -> None:
        self._log = log
        self._metrics = metrics
        self._clock = clock

    def attempt(
        self,
        journey: Journey,
        sent: HttpRequest,
        tried: Tried,
        conceal: Conceal,
        response: HttpResponse | None,
        *,
        bytes_sent: int | None = None,
        bytes_received: int | None = None,
    ) -> None:
        """`response`: as it came; bodies are kept if the spec asks for it. Counts win over lengths."""
        bodies = journey.link.spec.logging.bodies
        keep = bodies == "all" or (bodies == "errors" and not tried.outcome.success)
        record = self._record(journey, tried.outcome, tried.problem, sent.url, conceal)
        answered = response or _NO_RESPONSE
        record = replace(
            record,
            bytes_sent=len(sent.body) if bytes_sent is None else bytes_sent,
            bytes_received=len(answered.body) if bytes_received is None else bytes_received,
            request_headers=redaction.headers(sent.headers, conceal),
            response_headers=redaction.headers(answered.headers, conceal),
            request_body=_kept(sent.body, sent.headers, conceal) if keep else "",
            response_body=_kept(answered.body, answered.headers, conceal) if keep else "",
        )
        self._write(journey, record, tried.outcome)

    def refusal(self, journey: Journey, outcome: Outcome, problem: Problem) -> None:
        """Nothing was sent."""
        if journey.request.purpose is Purpose.PROBE:
            return
        path = f"https://-{journey.request.path}"
        self._write(journey, self._record(journey, outcome, problem, path, nothing), outcome)

    def _record(
        self, journey: Journey, outcome: Outcome, problem: Problem | None, url: str, conceal: Conceal
    ) -> CallRecord:
        link, request = journey.link, journey.request
        return CallRecord(
            at=self._clock.now(),
            namespace=link.namespace,
            integration=link.key.name,
            integration_uid=link.uid,
            provider=link.provider_name,
            purpose=request.purpose.value,
            caller=request.caller,
            correlation_id=journey.correlation_id,
            method=request.method,
            path=redaction.path(_path_of(url), conceal),
            status=outcome.status,
            outcome=outcome.reason.value,
            success=outcome.success,
            milliseconds=round(outcome.elapsed_seconds * 1000, 3),
            attempt=journey.attempts,
            bytes_sent=0,
            bytes_received=0,
            message=_told(problem, conceal),
            level=_level(outcome.reason),
        )

    def _write(self, journey: Journey, record: CallRecord, outcome: Outcome) -> None:
        self._log.record_call(record)
        self._metrics.observe_call(
            journey.link.provider_label,
            record.purpose,
            record.outcome,
            outcome.elapsed_seconds,
            sent=record.bytes_sent,
            received=record.bytes_received,
        )


_NO_RESPONSE = HttpResponse(0, {}, b"", truncated=False, elapsed_seconds=0.0)


def _kept(body: bytes, headers: Mapping[str, str], conceal: Conceal) -> str:
    return redaction.body(body, headers.get("content-type", ""), conceal)


def _path_of(url: str) -> str:
    """Path and query: what stands after the authority."""
    start = url.find("/", url.find("://") + 3)
    return url[start:] if start >= 0 else "/"


def _told(problem: Problem | None, conceal: Conceal) -> str:
    """Why it failed. A far end's own words may be among these, and the caller's body among those."""
    return (
        redaction.cut(redaction.free_text(problem.details, conceal), redaction.MAX_HEADER) if problem else ""
    )


def _level(reason: Reason) -> Level:
    if reason is Reason.CONNECTED:
        return "info"
    return "warn" if reason in _WARNINGS else "error"
