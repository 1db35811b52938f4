"""AWS Signature Version 4, against the signatures that the vendor's own signer (awscrt) makes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders
from awscrt.http import HttpRequest as CrtRequest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.ports import Destination, HttpRequest, SecretText
from integration_hub.providers.sigv4 import UNSIGNED_PAYLOAD, AwsKeys, Scope, sign, signer

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
ACCESS, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token=="


def request(url: str, **changes: Any) -> HttpRequest:
    return HttpRequest(
        **{"method": "GET", "url": url, "destination": Destination("tenant", "team-a"), **changes}
    )


def ours(wanted: HttpRequest, service: str, *, session: str = "") -> str:
    keys = AwsKeys(ACCESS, SecretText(SECRET), SecretText(session) if session else None)
    return dict(sign(wanted, keys, Scope(service, "eu-west-1"), NOW).headers)["Authorization"]


def the_vendors(wanted: HttpRequest, service: str, *, session: str = "") -> str:
    parts = urlsplit(wanted.url)
    default = {"https": 443}.get(parts.scheme)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port not in (None, default) else "")
    given = HttpHeaders([("host", host), *((name, value) for name, value in wanted.headers.items())])
    stated = wanted.headers.get("x-amz-content-sha256")
    given.remove("x-amz-content-sha256") if stated else None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = BytesIO(wanted.body) if wanted.body else None
    asked = CrtRequest(wanted.method, target, given, body)
    s3 = service == "s3"
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=AwsCredentialsProvider.new_static(ACCESS, SECRET, session or None),
        region="eu-west-1",
        service=service,
        date=NOW,
        use_double_uri_encode=not s3,
        should_normalize_uri_path=False,
        signed_body_value=stated,
        signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256
        if s3
        else AwsSignedBodyHeaderType.NONE,
    )
    signed = aws_sign_request(asked, config).result(timeout=30)
    return str(signed.headers.get("Authorization"))


@pytest.mark.parametrize("service", ["s3", "sts", "execute-api"])
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(request("https://example.amazonaws.com/"), id="root"),
        pytest.param(request("https://example.amazonaws.com"), id="no path"),
        pytest.param(request("https://example.amazonaws.com/a/b%20c/ü".replace("ü", "%C3%BC")), id="escapes"),
        pytest.param(request("https://example.amazonaws.com/a?b=2&a=1&a=0&c"), id="query out of order"),
        pytest.param(request("https://example.amazonaws.com/a?p=x%2Fy&n=%C3%BC%20z"), id="query escapes"),
        pytest.param(request("https://example.amazonaws.com:8443/a"), id="a port of its own"),
        pytest.param(request("https://Example.AmazonAWS.com/a"), id="host in capitals"),
        pytest.param(
            request("https://example.amazonaws.com/a", method="PUT", body=b"\x00data"), id="with a body"
        ),
        pytest.param(
            request("https://example.amazonaws.com/a", headers={"X-Amz-Meta-Name": "a   b", "Accept": "x"}),
            id="blanks in a header",
        ),
        pytest.param(
            request(
                "https://example.amazonaws.com/",
                method="POST",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=b"Action=GetCallerIdentity&Version=2011-06-15",
            ),
            id="form",
        ),
    ],
)
def test_a_signature_is_x(wanted: HttpRequest, service: str) -> None:
    assert ours(wanted, service) == the_vendors(wanted, service)
    assert ours(wanted, service, session=SESSION) == the_vendors(wanted, service, session=SESSION)


segment = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..")
)


@given(
    st.lists(segment, max_size=4),
    st.dictionaries(segment, segment, max_size=4),
    st.sampled_from(["s3", "sts"]),
    st.binary(max_size=64),
)
def test_so_it_is_for_any_path_query_and_body(
    path: list[str], query: dict[str, str], service: str, body: bytes
) -> None:
    url = "https://example.amazonaws.com/" + "/".join(quote(each, safe="") for each in path)
    if query:
        url += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query.items())
    wanted = request(url, method="PUT", body=body)
    assert ours(wanted, service) == the_vendors(wanted, service)


def test_a_streamed_body_is_signed_as_unsigned_payload_where_the_request_says_so() -> None:
    wanted = request(
        "https://example.amazonaws.com/a",
        method="PUT",
        headers={"x-amz-content-sha256": UNSIGNED_PAYLOAD},
        body=b"not looked at",
    )
    assert ours(wanted, "s3") == the_vendors(wanted, "s3")
    assert ours(wanted, "s3") == ours(request(wanted.url, method="PUT", headers=dict(wanted.headers)), "s3")


@pytest.mark.parametrize("service", ["s3", "execute-api"])
def test_a_streamed_body_is_not_taken_for_an_empty_one(service: str) -> None:
    whole = request("https://example.amazonaws.com/a", method="PUT")
    stated = request(whole.url, method="PUT", headers={"x-amz-content-sha256": UNSIGNED_PAYLOAD})
    keys, scope = AwsKeys(ACCESS, SecretText(SECRET), None), Scope(service, "eu-west-1")
    signed = sign(replace(whole, streamed=True), keys, scope, NOW)
    assert signed.headers["Authorization"] != ours(whole, service)
    if service == "s3":
        assert signed.headers["x-amz-content-sha256"] == UNSIGNED_PAYLOAD
        assert signed.headers["Authorization"] == the_vendors(stated, service)


def test_who_knows_the_hash_of_what_they_stream_may_say_it() -> None:
    known = {"x-amz-content-sha256": hashlib.sha256(b"known").hexdigest()}
    wanted = request("https://example.amazonaws.com/a", method="PUT", headers=known, body=b"known")
    assert ours(replace(wanted, streamed=True, body=b""), "s3") == the_vendors(wanted, "s3")


def test_a_request_that_is_tried_again_is_signed_anew() -> None:
    keys = AwsKeys(ACCESS, SecretText(SECRET), SecretText(SESSION))
    make = signer(keys, Scope("s3", "eu-west-1"))
    once = make(request("https://example.amazonaws.com/a"), datetime(2020, 1, 1, tzinfo=UTC))
    assert make(once, NOW).headers == make(request("https://example.amazonaws.com/a"), NOW).headers


def test_keys_do_not_show() -> None:
    shown = repr(AwsKeys(ACCESS, SecretText(SECRET), SecretText(SESSION)))
    assert SECRET not in shown
    assert SESSION not in shown
