"""The catalogue's S3 provider against an S3 server that checks every signature."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from hub_caller import HubCaller
from s3_server import ACCESS_KEY, REGION, S3, SECRET_KEY
from tenant import Tenant

BUCKET = "drawings"
PIECE = 64 * 1024
MEBIBYTE = 1024 * 1024

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def outside(s3: S3) -> str:
    (s3.data / BUCKET).mkdir()
    return s3.base


def connect(tenant: Tenant, secret: str = SECRET_KEY, **config: str) -> None:
    tenant.provider_name = "aws-s3"
    tenant.secret(accessKeyId=ACCESS_KEY, secretAccessKey=secret)
    given = {"bucket": BUCKET, "region": REGION, "endpoint": tenant.corner.url, **config}
    tenant.integration("files", config=given)


@pytest.fixture
def files(tenant: Tenant) -> Tenant:
    connect(tenant)
    tenant.becomes("True", "Succeeded", name="files")
    return tenant


def address(key: str, query: str = "") -> str:
    return f"/api/v1/integrations/files/proxy/{BUCKET}/{quote(key, safe='/')}{query}"


def keys_in(answer: Any) -> list[str]:
    return re.findall(r"<Key>(.*?)</Key>", answer["data"])


@pytest.mark.req("PRV-29")
@pytest.mark.usefixtures("files")
def test_a_file_of_many_mebibytes_passes_through_both_ways(caller: HubCaller, s3: S3) -> None:
    size = 24 * MEBIBYTE
    piece = hashlib.sha256(b"drawing").digest() * (PIECE // 32)

    def body() -> Iterator[bytes]:
        for _ in range(size // PIECE):
            yield piece

    headers = {"Content-Type": "model/step", "Content-Length": str(size)}
    put = caller.client.put(address("engine.step"), content=body(), headers=headers)
    assert put.status_code == 200, put.text
    assert (s3.data / BUCKET / "engine.step").stat().st_size == size
    digest = hashlib.sha256()
    with caller.client.stream("GET", address("engine.step")) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(size)
        for chunk in answer.iter_bytes():
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(piece * (size // PIECE)).digest()


@pytest.mark.usefixtures("files")
def test_a_part_of_a_file_is_read_by_range(caller: HubCaller, s3: S3) -> None:
    (s3.data / BUCKET / "digits.txt").write_bytes(b"0123456789")
    part = caller.client.get(address("digits.txt"), headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, b"2345")
    assert part.headers["content-range"] == "bytes 2-5/10"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("with space.txt", id="space"),
        pytest.param("a+b=c.txt", id="plus and equals"),
        pytest.param("größe/日本語.txt", id="beyond ASCII"),
        pytest.param("50%25 off.txt", id="a per cent sign and what looks like an escape"),
        pytest.param("q?&#;,@!$'()*.txt", id="what separates parts of an address"),
        pytest.param("~tilde-and_dots...txt", id="unreserved"),
    ],
)
@pytest.mark.usefixtures("files")
def test_odd_keys_are_signed_as_the_server_understands_them(caller: HubCaller, s3: S3, key: str) -> None:
    put = caller.client.put(address(key), content=b"content of " + key.encode())
    assert put.status_code == 200, put.text
    assert (s3.data / BUCKET / key).read_text() == f"content of {key}"
    assert caller.client.get(address(key)).content.decode() == f"content of {key}"
    assert caller.client.delete(address(key)).status_code == 204
    assert not (s3.data / BUCKET / key).exists()


@pytest.mark.usefixtures("files")
def test_a_listing_is_asked_for_by_name_with_odd_values(caller: HubCaller, s3: S3) -> None:
    folder = s3.data / BUCKET / "parts & pieces"
    folder.mkdir()
    for name in ("a b.txt", "c+d.txt"):
        (folder / name).write_text(name)
    found = caller.execute("files", "List Objects", {"prefix": "parts & pieces/", "max-keys": 10})
    assert found["status"] == 200
    assert keys_in(found) == ["parts &amp; pieces/a b.txt", "parts &amp; pieces/c+d.txt"]
    first = caller.execute("files", "List Objects", {"prefix": "parts & pieces/", "max-keys": 1})
    after = {"prefix": "parts & pieces/", "start-after": "parts & pieces/a b.txt"}
    assert keys_in(first) == ["parts &amp; pieces/a b.txt"]
    assert keys_in(caller.execute("files", "List Objects", after)) == ["parts &amp; pieces/c+d.txt"]


@pytest.mark.usefixtures("files")
def test_every_other_named_call_is_accepted_too(caller: HubCaller) -> None:
    assert REGION in caller.execute("files", "Get Bucket Location")["data"]
    assert f"<Name>{BUCKET}</Name>" in caller.execute("files", "List Buckets")["data"]


def test_a_wrong_secret_is_told_as_that(tenant: Tenant, caller: HubCaller) -> None:
    connect(tenant, secret="not-" + SECRET_KEY)
    tenant.becomes("False", "InvalidCredentials", name="files")
    refused = caller.execute("files", "List Objects", status=424)
    assert refused["code"] == "INVALID_CREDENTIALS"


@pytest.mark.parametrize(
    ("config", "reason", "says"),
    [
        pytest.param({"bucket": "nobodys"}, "ConfigRefused", "no such bucket", id="another bucket"),
        pytest.param({"region": "us-east-1"}, "ConfigRefused", "another region", id="another region"),
    ],
)
def test_wrong_settings_are_told_apart_from_wrong_keys(
    tenant: Tenant, config: dict[str, str], reason: str, says: str
) -> None:
    connect(tenant, **config)
    tenant.becomes("False", reason, name="files")
    assert says in tenant.message("files")
