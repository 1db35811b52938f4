"""Structured logs: one JSON object per line for machines, or one readable line for people; never a secret.

Rooms log through the standard library (`logging.getLogger(__name__)`, facts in `extra=`), as kopf and the
other libraries do, so one formatter gives all of them the same shape: `time`, `level`, `logger`, `event`,
then the facts.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from integration_hub.ports import SecretText

HIDDEN = "***"

_SENSITIVE_KEY = re.compile(
    r"passw(or)?d|passphrase|secret(?!_?(ref|name|namespace|key|access|state)s?$)|token(?!_?(url|type|endpoint)$)"
    r"|authorization|api_?key|credentials?$|cookie|private_?key|client_?secret|signature$",
    re.IGNORECASE,
)
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]")
_IN_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Bearer abc, "authorization": "Basic abc"
    (re.compile(r"\b(bearer|basic|token)\s+[A-Za-z0-9\-._~+/]{8,}=*", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # https://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # ?access_token=abc, password=abc, "client_secret": "abc"
    (
        re.compile(
            r"((?:access_|refresh_|id_)?token|api_?key|apikey|client_?secret|secret|passw(?:or)?d|signature|sig)"
            r"""(["']?\s*[=:]\s*["']?)(?!\*\*\*|SecretText)[^\s&"',;}\]]{3,}""",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # Products' keys and JSON Web Tokens wherever they stand
    (re.compile(r"\bihp_[0-9A-Za-z_]{8,}"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), HIDDEN),
)
_DEPTH = 6


def redact_text(text: str) -> str:
    """Hide what looks like a credential inside free text, such as an exception's message."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide every value with a sensitive name, every SecretText, every token in a text (a processor)."""
    return {key: _redacted(key, value, _DEPTH) for key, value in event.items()}


def _redacted(key: str, value: Any, depth: int) -> Any:
    if isinstance(value, SecretText):
        return HIDDEN
    if key and _is_sensitive(key) and value not in (None, "", True, False):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if depth == 0:
        return redact_text(repr(value))
    if isinstance(value, Mapping):
        return {name: _redacted(str(name), inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_redacted("", inner, depth - 1) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value) if isinstance(value, BaseException) else repr(value))


def _is_sensitive(key: str) -> bool:
    return _SENSITIVE_KEY.search(_WORD_BREAK.sub("_", key)) is not None


def configure(
    *,
    form: Literal["json", "text"] = "json",
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Send every log record of this process to `stream` (standard error) in one shape. Call it first."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(form, colors=bool(getattr(handler.stream, "isatty", bool)())))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("aiohttp.access", "asyncio"):  # one line per probe; one per slow callback
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # One line per request that is no HTTP: anybody could fill the log with it.
    logging.getLogger("uvicorn.error").setLevel(max(logging.ERROR, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    """What is added to every record, whoever wrote it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _formatter(form: Literal["json", "text"], *, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    foreign: list[Processor] = [structlog.stdlib.ExtraAdder(), _object_of_kopf, *_shared()]
    final: list[Processor]
    if form == "json":
        final = [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            _in_order,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        final = [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time", pad_event_to=0),
        ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=final)


def _object_of_kopf(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep the object that kopf attaches, in our words, and drop its whole settings that it attaches too."""
    event.pop("settings", None)
    event.pop("k8s_skip", None)
    reference = event.pop("k8s_ref", None)
    if isinstance(reference, Mapping):
        place = "/".join(part for part in (reference.get("namespace"), reference.get("name")) if part)
        event.setdefault("object", f"{reference.get('kind')} {place}")
    return event


_FIRST = ("time", "level", "logger", "event", "object", "cause")


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {key: event[key] for key in _FIRST if key in event}
    return first | {key: value for key, value in event.items() if key not in first}
