"""An outside system that costs next to nothing: the same small JSON to every request. Prints its port.

    python benchmarks/quick_far_end.py

Below /slow it takes a tenth of a second, as systems across the internet do: now a little more, now less, or
all who wait for it would ask again in one moment, for ever.
"""

from __future__ import annotations

import asyncio
import json
import random

BODY = json.dumps({"items": [{"id": number, "title": f"Item {number}"} for number in range(24)]}).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
    + BODY
)
SLOW_SECONDS = (0.08, 0.12)


class FarEnd(asyncio.Protocol):
    """Keep-alive HTTP/1.1 for requests without a body."""

    def __init__(self) -> None:
        self._seen = b""
        self._loop = asyncio.get_running_loop()
        self._chance = random.Random(id(self))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while b"\r\n\r\n" in self._seen:
            head, _, self._seen = self._seen.partition(b"\r\n\r\n")
            if b" /slow" in head:
                self._loop.call_later(self._chance.uniform(*SLOW_SECONDS), self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(FarEnd, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
