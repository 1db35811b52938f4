"""Canaries of products' keys: used as they should be and as they should not; then everything is searched."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from eventually import eventually
from product_caller import key_of
from products import Products
from tenant import Tenant
from threat_stage import Siege

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(240)]

OWN = "/api/v1/hub/products/canary/status"
PIECE = 12
"""Letters of a secret that nobody may see in a row."""


def use(siege: Siege, tenant: Tenant, key: str) -> None:
    """In every way that works, and in those in which a key goes astray."""
    assert siege.ask("GET", OWN, key).status == 200
    assert siege.ask("GET", OWN, "", X_API_Key=key).status == 200
    wrong = key[:-1] + ("x" if key[-1] != "x" else "y")
    for given in (wrong, key[:-6], key[4:], f"{key} {key}"):
        assert siege.ask("GET", OWN, given).status == 401
    assert siege.ask("GET", OWN, key, X_API_Key=key).status == 401
    assert siege.ask("GET", "/api/v1/integrations", key).status == 403
    body = {"name": "x", "providerId": "y", "config": {}}
    assert siege.ask("POST", "/api/v1/integrations", key, body).status == 403
    member = siege.caller(tenant.namespace, "edit")
    for misplaced in (f"/api/v1/hub/products/{key}/status", f"{OWN}?key={key}"):
        siege.ask("GET", misplaced, member)
    siege.ask("POST", "/api/v1/integrations", member, {"name": key, "apiKey": [key]})
    siege.ask("GET", "/api/v1/audit?limit=1000", member)


def places(siege: Siege, tenant: Tenant) -> Iterator[tuple[str, bytes]]:
    """Everything that somebody could read, but for the product's own Secret."""
    kubectl = tenant.plane.kubectl
    yield "answers", b"".join(siege.told)
    yield "kubectl get", kubectl("get", "prodreg,intg,deployments", "-A", "-o", "yaml").stdout.encode()
    yield "kubectl describe", kubectl("describe", "prodreg,secret", "-n", tenant.namespace).stdout.encode()
    yield "events", kubectl("get", "events", "-A", "-o", "yaml").stdout.encode()
    yield "metrics", siege.hub.page("/metrics")[1].encode()
    yield "log", siege.hub.log.read_bytes()
    for path in sorted((siege.folder / "data").rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()


def pieces(key: str) -> Iterator[bytes]:
    """Parts of the key's secret, plain and encoded wherever they stand."""
    secret = key[16:]
    for start in range(0, len(secret) - PIECE + 1, PIECE):
        piece = secret[start : start + PIECE].encode()
        yield piece
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + piece)[4 if shift else 0 : -4]


@pytest.mark.req("SEC-25", "SEC-06", "SEC-01")
def test_no_key_of_a_product_shows_anywhere_but_in_its_secret(under_siege: Siege) -> None:
    tenant = under_siege.tenant("canary-key")
    tenant.corner.always(200, {"status": "healthy"})
    products = Products(tenant.plane, tenant.namespace)
    products.register("canary", tenant.corner, workload=False)
    keys: list[str] = []
    for request in ("", "rotation-requested=one", "revocation-requested=two"):
        if request:
            products.kubectl("annotate", "prodreg", "canary", f"integrationhub.io/{request}")
        eventually(lambda: key_of(products, "canary") not in ("", *keys), "a new key", seconds=30)
        products.becomes("canary", "True", "KeyIssued", condition="ApiKeyReady")
        keys.append(key_of(products, "canary"))
        under_siege.told.clear()
        use(under_siege, tenant, keys[-1])
    assert len(set(keys)) == 3
    found = dict(places(under_siege, tenant))
    leaks = [
        (place, data[max(0, data.index(piece) - 160) : data.index(piece)])
        for place, data in found.items()
        for key in keys
        for piece in pieces(key)
        if piece in data
    ]
    assert leaks == []
    assert keys[-1][4:15].encode() in found["kubectl get"], "its id is to be seen"
    assert b'"level": "debug"' in found["log"]
