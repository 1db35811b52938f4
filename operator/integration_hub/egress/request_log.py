"""One line for each request in the log: host, status and milliseconds, never a path, a query or a header.

What goes on failing in the same way is told once in a while, and in between for those who debug: whoever
makes a thousand objects that fail every five seconds must not fill the log with them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import structlog

from integration_hub.ports import Failure, HttpFailure, HttpRequest, HttpResponse

AGAIN_SECONDS = 600.0
_NAME = "integration_hub.egress"
_REMEMBERED = 4_096
_REFUSED = (Failure.BLOCKED, Failure.INVALID_URL, Failure.OVERLOADED)


_debugging = partial(logging.getLogger(_NAME).isEnabledFor, logging.DEBUG)
"""Asked before a line is made that would be thrown away: there is one for each request."""


class RequestLog:
    """Tells of requests. `monotonic` in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told: OrderedDict[tuple[str, str, Failure], float] = OrderedDict()

    def tell(self, request: HttpRequest, host: str, outcome: HttpResponse | HttpFailure) -> None:
        """Write the line."""
        if isinstance(outcome, HttpResponse) and not _debugging():
            return
        log = structlog.get_logger(_NAME)
        about = {
            "host": host,
            "method": request.method,
            "trust": request.destination.trust,
            "namespace": request.destination.namespace,
            "milliseconds": round(outcome.elapsed_seconds * 1000),
        }
        if isinstance(outcome, HttpResponse):
            log.debug("request sent", status=outcome.status, **about)
            return
        about |= {"failure": outcome.failure, "reason": outcome.message}
        if outcome.inside:
            about["inside"] = outcome.inside
        if not self._news(request.destination.namespace, host, outcome.failure):
            log.debug("request failed again", **about)
        elif outcome.failure in _REFUSED:
            log.warning("request refused", **about)
        else:
            log.info("request failed", **about)

    def _news(self, namespace: str, host: str, failure: Failure) -> bool:
        """Whether this was not told lately."""
        key, now = (namespace, host, failure), self._monotonic()
        told_at = self._told.get(key)
        if told_at is not None and now - told_at < AGAIN_SECONDS:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True
