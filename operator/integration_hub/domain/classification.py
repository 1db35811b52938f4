"""What an answer means: the provider's own rules first, HTTP's usual meaning where none applies.

A provider may say that a 200 with `ok: false` is a failure, or that a 403 with a certain header is
a rate limit (`spec.classes`, each a CEL expression, first match wins). The result is an `Outcome`
with a stable reason; the words for a person are added by `explain`, which knows whose connection
it is. No outcome repeats a body: only a provider's rule may quote from it, by its own template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from integration_hub.api.provider import ClassRule, ProviderSpec
from integration_hub.api.reasons import Reason
from integration_hub.domain import placeholder
from integration_hub.domain.concealment import Conceal, nothing, one_line
from integration_hub.domain.conditions import clip
from integration_hub.domain.json_text import decoded
from integration_hub.ports import ExpressionError, Expressions, HttpFailure, HttpResponse, Json

CLASS_VARIABLES = ("status", "headers", "body", "text")
"""What an expression of `classes` may use."""
MAX_BODY = 12_288
"""Larger bodies are null to an expression: the engine takes 16 KiB in all."""
MAX_TEXT = 4_096
MAX_DETAIL = 512
LONGEST_WAIT = 86_400.0

LASTING = frozenset(
    {
        Reason.INVALID_CREDENTIALS,
        Reason.REAUTH_REQUIRED,
        Reason.CONFIG_REFUSED,
        Reason.CONFIG_INVALID,
        Reason.UNEXPECTED_ANSWER,
        Reason.ADDRESS_BLOCKED,
        Reason.INVALID_URL,
    }
)
"""Failures that trying again does not mend: somebody has to change something."""

_OF_CLASS = {
    "success": Reason.CONNECTED,
    "transient": Reason.UPSTREAM_ERROR,
    "rateLimited": Reason.RATE_LIMITED,
    "config": Reason.CONFIG_REFUSED,
    "expired": Reason.INVALID_CREDENTIALS,
    "revoked": Reason.REAUTH_REQUIRED,
}

_OF_FAILURE = {each.value: each for each in Reason}
"""The words of `ports.Failure` are reasons as they stand."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call came to.

    `status` is the HTTP status (0: no answer). `detail` is what the far end or the provider's rule
    adds for a person, possibly empty. `retry_after` in seconds, where the far end asked for it.
    `elapsed_seconds` is the time until the answer. `expired`: newer credentials might be accepted.
    `held`: our own budget or breaker kept the call from going out.
    """

    reason: Reason
    status: int = 0
    detail: str = ""
    retry_after: float | None = None
    elapsed_seconds: float = 0.0
    expired: bool = False
    held: bool = False

    @property
    def success(self) -> bool:
        return self.reason is Reason.CONNECTED

    @property
    def counts(self) -> bool:
        """Whether it says anything about the far end: what we held back ourselves does not."""
        return self.reason is not Reason.EGRESS_OVERLOADED and not self.held

    @property
    def lasting(self) -> bool:
        return self.reason in LASTING


def rules(spec: ProviderSpec, *, probing: bool) -> Sequence[ClassRule]:
    """The rules for an answer of this provider.

    `probing`: it answers the provider's own probe (not another path that `spec.healthCheck` names). The
    probe's rules know that answer alone, so no other call is judged by them.
    """
    if probing and spec.probe is not None:
        return (*spec.probe.classes, *spec.classes)
    return spec.classes


def classify(
    answer: HttpResponse | HttpFailure,
    classes: Sequence[ClassRule],
    expressions: Expressions,
    now: datetime,
    conceal: Conceal = nothing,
) -> Outcome:
    """Sort an answer. `now` is for a Retry-After that names a date, `conceal` strikes our secrets out."""
    if isinstance(answer, HttpFailure):
        detail = clip(conceal(answer.message), MAX_DETAIL)
        return Outcome(_OF_FAILURE[answer.failure.value], 0, detail, None, answer.elapsed_seconds)
    ruled = _by_rules(answer, classes, expressions, conceal)
    reason, words = ruled if ruled is not None else (_by_status(answer.status), "")
    detail = clip(conceal(words), MAX_DETAIL)
    wait = None if reason is Reason.CONNECTED else retry_after(answer.headers, now)
    # A rule that says so means it; of bare statuses only 401 does: 403 also says "not allowed to anybody".
    expired = reason is Reason.INVALID_CREDENTIALS and (ruled is not None or answer.status == 401)
    return Outcome(reason, answer.status, detail, wait, answer.elapsed_seconds, expired)


def _by_rules(
    answer: HttpResponse, classes: Sequence[ClassRule], expressions: Expressions, conceal: Conceal
) -> tuple[Reason, str] | None:
    """The first rule that applies. One that cannot be evaluated on this answer does not apply.

    One that was held back leaves the answer unjudged: it may be the one that tells a failure.
    """
    if not classes:
        return None
    seen = variables(answer)
    for rule in classes:
        program = expressions.compile(rule.when, CLASS_VARIABLES)
        if isinstance(program, ExpressionError):
            continue
        applies = program.evaluate(seen)
        if isinstance(applies, ExpressionError) and applies.later:
            return Reason.EGRESS_OVERLOADED, f"The provider's rule {clip(rule.when, 64)!r}: {applies.message}"
        if applies is True:
            return _OF_CLASS[rule.result], _rendered(rule.message, seen, expressions, conceal)
    return None


def variables(answer: HttpResponse) -> Mapping[str, Json]:
    """An answer as an expression sees it: `body` is the decoded JSON, or null where it is none."""
    text = answer.body[: max(MAX_BODY, 4 * MAX_TEXT)].decode("utf-8", "replace")
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": decoded(text) if len(answer.body) <= MAX_BODY and not answer.truncated else None,
        "text": text[:MAX_TEXT],
    }


def _rendered(message: str, seen: Mapping[str, Json], expressions: Expressions, conceal: Conceal) -> str:
    """A rule's message with its placeholders filled, or as it stands where they cannot be."""
    if "{{" not in message:
        return message

    def evaluate(source: str) -> Json:
        program = expressions.compile(source, CLASS_VARIABLES)
        value = program if isinstance(program, ExpressionError) else program.evaluate(seen)
        if isinstance(value, ExpressionError):
            return placeholder.PlaceholderProblem(value.message)
        # Somebody else's words: their line breaks are no reason to show nothing of them.
        return one_line(value, conceal) if isinstance(value, str) else value

    text = placeholder.render_text(message, evaluate)
    return "" if isinstance(text, placeholder.PlaceholderProblem) else text


def _by_status(status: int) -> Reason:
    if 200 <= status < 300:
        return Reason.CONNECTED
    if status in (401, 403):
        return Reason.INVALID_CREDENTIALS
    if status == 429:
        return Reason.RATE_LIMITED
    if status in (408, 425) or status >= 500:
        return Reason.UPSTREAM_ERROR
    if 400 <= status < 500:
        return Reason.CONFIG_REFUSED
    return Reason.UNEXPECTED_ANSWER


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: a number or a date), a day at most."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose call it was, for the words: who answers, where the credentials lie, how long it was given."""

    host: str
    place: str = ""
    timeout_seconds: float = 30.0


def explain(outcome: Outcome, subject: Subject) -> str:
    """What happened and what to do about it, for a person; at most a few lines, no secret, no body."""
    advice = _ADVICE.get(outcome.reason, "")
    if outcome.success and not subject.place:
        advice = "{host} answers."
    secret = f"the {subject.place}" if subject.place else "a Secret named by spec.credentials.secretRef"
    said = f"HTTP {outcome.status}" if outcome.status else "no answer"
    what = advice.format(host=subject.host, said=said, secret=secret, timeout=f"{subject.timeout_seconds:g}")
    if not outcome.detail:
        return what
    return f"{outcome.detail.rstrip('. ')}. {what}" if what else outcome.detail


_ADVICE: Mapping[Reason, str] = {
    Reason.CONNECTED: "{host} answers and accepts the credentials.",
    Reason.INVALID_CREDENTIALS: (
        "{host} refused the credentials ({said}): put valid ones into {secret}, and check that they may "
        "read what the probe asks for. The hub tries again as soon as the Secret changes."
    ),
    Reason.REAUTH_REQUIRED: (
        "{host} no longer honours the grant ({said}): authorise anew and put the new token into {secret}."
    ),
    Reason.RATE_LIMITED: (
        "{host} asks for fewer calls ({said}). The hub waits as long as it was told; if this lasts, raise "
        "spec.healthCheck.intervalSeconds or ask the vendor for a higher limit."
    ),
    Reason.UPSTREAM_ERROR: (
        "{host} has trouble of its own ({said}). The hub goes on trying; the vendor's status page may "
        "tell more."
    ),
    Reason.CONFIG_REFUSED: (
        "{host} refused the request itself ({said}): check spec.config, spec.environment and spec.region, "
        "and spec.healthCheck.path if you set it."
    ),
    Reason.UNEXPECTED_ANSWER: (
        "{host} gave an answer that its provider does not expect ({said}); redirects are not followed. "
        "Check that the configured address is the one of the API itself."
    ),
    Reason.ADDRESS_BLOCKED: ("If another one was meant, check spec.config and the provider's baseUrl."),
    Reason.CONFIG_INVALID: "Check spec.config and spec.healthCheck.path.",
    Reason.INVALID_URL: "Check spec.config and the provider's baseUrl.",
    Reason.NAME_NOT_RESOLVED: (
        "Check the host name in spec.config and the provider's baseUrl, and the cluster's DNS."
    ),
    Reason.CONNECTION_FAILED: "Check that {host} is up and that network policies let the hub reach it.",
    Reason.TLS_FAILED: (
        "{host} must present a valid certificate; an administrator can add a private authority to the hub."
    ),
    Reason.TIMEOUT: (
        "{host} took longer than {timeout} s: raise spec.timeoutSeconds if it is known to be slow."
    ),
    Reason.PROTOCOL_ERROR: "Check that {host} speaks HTTP at this address and port.",
    Reason.CIRCUIT_OPEN: "Too many calls to {host} in a row failed; the hub tries again by itself.",
    Reason.EGRESS_OVERLOADED: "The hub has more calls under way than it may; it tries again shortly.",
}
