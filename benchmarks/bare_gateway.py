"""A gateway that does nothing but pass a call on: the control of gateway_calls.py. Prints its port.

    python benchmarks/bare_gateway.py FAR_END_PORT

The same body and answer as the hub's `execute`, by the same server and client libraries in one process.
Nobody is asked who they are, nothing is checked, counted, limited, retried, redacted or written down.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import aiohttp
import uvicorn

HEADERS = {"Accept": "application/json", "Authorization": "Bearer benchmark"}


def app_for(client: aiohttp.ClientSession, far_end: str) -> Any:
    """The ASGI application."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked = json.loads(body)
        async with client.request(asked["method"], far_end + asked["endpoint"], headers=HEADERS) as answer:
            result = {"status": answer.status, "data": json.loads(await answer.read())}
        told = json.dumps({"success": True, "result": result}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    return app


async def main(far_end_port: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        app = app_for(client, f"http://127.0.0.1:{far_end_port}")
        config = uvicorn.Config(app, http="httptools", loop="none", lifespan="off", log_config=None)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
