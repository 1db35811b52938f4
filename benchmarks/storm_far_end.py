"""An outside system whose tokens all end at the same moment. Prints its port.

    python benchmarks/storm_far_end.py SECONDS

The first tokens end SECONDS after the first of them was asked for, whenever they are obtained; later ones
last an hour. GET /report tells what came in.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
import time
from collections import Counter, defaultdict
from typing import Any

from aiohttp import web

LATER_SECONDS = 3600


class Storm:
    """Issues tokens by client, checks them, and counts. Times are of the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = 0.0
        self._asked: dict[str, list[float]] = defaultdict(list)
        self._ends: dict[str, float] = {}
        self._calls: Counter[str] = Counter()

    async def token(self, request: web.Request) -> web.Response:
        """RFC 6749, section 4.4, with the client's name as its user name."""
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        client = base64.b64decode(given).decode().partition(":")[0]
        now = time.monotonic()
        self._end = self._end or now + self._seconds
        asked = self._asked[client]
        asked.append(now)
        end = self._end if len(asked) == 1 else now + LATER_SECONDS
        value = f"{client}.{len(asked)}"
        self._ends[value] = end
        answer = {"access_token": value, "token_type": "Bearer", "expires_in": max(1, int(end - now))}
        return web.json_response(answer)

    async def call(self, request: web.Request) -> web.Response:
        value = request.headers.get("Authorization", "").removeprefix("Bearer ")
        end = self._ends.get(value)
        works = end is not None and time.monotonic() < end
        self._calls["good" if works else "expired" if end is not None else "unknown"] += 1
        return web.json_response({"ok": works}, status=200 if works else 401)

    async def report(self, _: web.Request) -> web.Response:
        """`renewals` is relative to the end of the first tokens, in seconds: negative is in time."""
        again = sorted(moment - self._end for moments in self._asked.values() for moment in moments[1:])
        told: dict[str, Any] = {
            "clients": len(self._asked),
            "most_requests": max(map(len, self._asked.values()), default=0),
            "to_end": self._end - time.monotonic(),
            "renewals": again,
            "calls": dict(self._calls),
        }
        return web.json_response(told)


async def main(seconds: float) -> None:
    storm = Storm(seconds)
    app = web.Application()
    app.add_routes(
        [web.post("/token", storm.token), web.get("/report", storm.report), web.get("/me", storm.call)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listener).start()
    print(listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
