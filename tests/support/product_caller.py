"""A product of a real API server that speaks to the hub by its key, and what that key is at this moment."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from products import Products

HUB_KEY, NINJA_KEY = "PRODUCT_HUB_API_KEY", "PRODUCT_NINJA_API_KEY"


@dataclass(frozen=True)
class Told:
    """An answer of the hub."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def keys_in_secret(products: Products, name: str) -> dict[str, str]:
    """What the Secret of a product holds; empty while there is none."""
    found = products.kubectl("get", "secret", f"product-{name}-hub", "-o", "json", "--ignore-not-found")
    data = json.loads(found)["data"] if found.strip() else {}
    return {entry: base64.b64decode(value).decode() for entry, value in data.items()}


def key_of(products: Products, name: str) -> str:
    """The product's key as its pods get it; empty while there is none."""
    return keys_in_secret(products, name).get(HUB_KEY, "")


def ask(port: int, path: str, key: str, *, header: str = "Authorization", method: str = "GET") -> Told:
    """Ask the gateway at this port of the loopback as whoever holds the key."""
    value = f"Bearer {key}" if header == "Authorization" else key
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={header: value})
        answer = connection.getresponse()
        return Told(answer.status, answer.read())
    finally:
        connection.close()
