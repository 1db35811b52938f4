"""Every way to authenticate, from a Secret to what goes on the wire, by the provider's data alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from joserfc import jwk, jwt

from credential_stage import KEY, NAMESPACE, Stage, link, play, sent
from integration_hub.api.reasons import Reason
from integration_hub.ports import (
    SECRETS,
    CredentialFacts,
    CredentialProblem,
    Destination,
    HttpRequest,
    Key,
    Presented,
    SecretText,
)
from memory import answer

RSA = jwk.RSAKey.generate_key(2048, private=True)
PEM = RSA.as_pem(private=True).decode()
SERVICE_ACCOUNT = {"client_email": "robot@example.com", "private_key_id": "k1", "private_key": PEM}

GOOGLE = {
    "type": "JWT_BEARER",
    "secretDocument": "serviceAccount",
    "secretKeys": {"privateKey": "private_key"},
    "jwt": {
        "keyId": "{{ secret.private_key_id }}",
        "claims": {"iss": "{{ secret.client_email }}", "scope": "a b", "sub": "{{ config.subject }}"},
        "lifetimeSeconds": 3600,
        "request": {"url": "https://auth.example.com/token"},
    },
}
GITHUB_APP = {
    "type": "JWT_BEARER",
    "jwt": {
        "claims": {"iss": "{{ secret.appId }}"},
        "lifetimeSeconds": 540,
        "backdateSeconds": 60,
        "exchange": "request",
        "request": {"url": "/app/installations/{{ config.installation }}/access_tokens"},
    },
    "answer": {"accessToken": "body.token", "expiresAt": "body.expires_at"},
}
SIGNED = {"type": "JWT_BEARER", "jwt": {"claims": {"iss": "x"}, "lifetimeSeconds": 600, "exchange": "none"}}
TWO_STEP = {
    "type": "TWO_STEP",
    "login": {
        "url": "/login",
        "encoding": "json",
        "fields": {"user": "{{ secret.username }}", "pass": "{{ secret.password }}"},
    },
    "answer": {"accessToken": "body.session.id", "lifetimeSeconds": 900},
    "token": {"in": "header", "name": "X-Session", "prefix": ""},
}
AWS = {"type": "AWS_SIGV4", "aws": {"service": "s3", "region": "{{ config.region }}"}}


def claims_of(token: str, algorithm: str = "RS256") -> tuple[dict[str, Any], dict[str, Any]]:
    decoded = jwt.decode(token, RSA, algorithms=[algorithm])
    return decoded.header, decoded.claims


def test_a_google_service_account_exchanges_a_signed_statement() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("google", serviceAccount=json.dumps(SERVICE_ACCOUNT))
        connection = link(secret="google", mode=GOOGLE, config={"subject": ""})
        process = stage.process()
        assert sent(await process.source.present(connection)) == "access-0001"
        asked = stage.far_end.asked[0]
        assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        header, claims = claims_of(asked["assertion"])
        assert header == {"alg": "RS256", "kid": "k1", "typ": "JWT"}
        now = int(stage.clock.now().timestamp())
        assert claims.pop("jti")
        assert claims == {
            "iss": "robot@example.com",
            "scope": "a b",
            "aud": "https://auth.example.com/token",
            "iat": now - 30,
            "exp": now + 3600,
        }
        # The token is shared with the other replicas, and renewed without a person.
        assert sent(await stage.process().source.present(connection)) == "access-0001"
        await asyncio.sleep(3600)
        assert sent(await process.source.present(connection)) == "access-0002"

    play(story)


def test_a_github_app_exchanges_its_statement_for_an_installations_token() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("app", appId="12345", privateKey=PEM.replace("\n", "\\n"))
        end = (stage.clock.now() + timedelta(hours=1)).isoformat()
        stage.egress.far_end = lambda _: answer(201, {"token": "ghs_1", "expires_at": end})
        connection = link(secret="app", mode=GITHUB_APP, config={"installation": 77})
        assert sent(await stage.process().source.present(connection)) == "ghs_1"
        request = stage.egress.requests[0]
        assert request.method == "POST"
        assert request.url == "https://api.example.com/v1/app/installations/77/access_tokens"
        _, claims = claims_of(request.headers["Authorization"].removeprefix("Bearer "))
        assert claims["iss"] == "12345"
        assert claims["exp"] - claims["iat"] == 600

    play(story)


def test_a_statement_that_is_the_token_is_signed_here_and_nobody_is_asked() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("key", privateKey=PEM)
        process, connection = stage.process(), link(secret="key", mode=SIGNED)
        first = sent(await process.source.present(connection))
        assert sent(await process.source.present(connection)) == first
        await asyncio.sleep(500)
        second = await process.source.present(connection)
        assert sent(second) != first
        assert isinstance(second, Presented)
        assert isinstance(await process.source.renew(connection, second), Presented)
        assert stage.egress.requests == []
        assert stage.writes() == 0

    play(story)


def test_a_login_gives_a_token_that_goes_where_the_provider_says() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("login", username="u", password='p"\u00fc')
        stage.egress.far_end = lambda _: answer(200, {"session": {"id": "s-1"}})
        process, connection = stage.process(), link(secret="login", mode=TWO_STEP)
        presented = await process.source.present(connection)
        assert isinstance(presented, Presented)
        assert presented.headers == {"X-Session": SecretText("s-1")}
        assert presented.expires_at == stage.clock.now() + timedelta(seconds=900)
        request = stage.egress.requests[0]
        assert request.url == "https://api.example.com/v1/login"
        assert json.loads(request.body) == {"user": "u", "pass": 'p"\u00fc'}

    play(story)


def test_a_login_that_is_refused_is_not_hammered_and_tried_again_when_the_secret_changes() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("login", username="u", password="wrong")
        stage.egress.far_end = lambda _: answer(401, {"message": "wrong"})
        process, connection = stage.process(), link(secret="login", mode=TWO_STEP)
        for _ in range(50):
            problem = await process.source.present(connection)
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.INVALID_CREDENTIALS
        assert len(stage.egress.requests) == 1
        stage.secret("login", username="u", password="right")
        stage.egress.far_end = lambda _: answer(200, {"session": {"id": "s-1"}})
        assert isinstance(await process.source.present(connection), Presented)

    play(story)


def test_private_key_jwt_proves_the_client_at_the_token_endpoint() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("client", clientId="c-1", privateKey=PEM, keyId="k9")
        oauth = {"tokenUrl": "https://auth.example.com/token", "clientAuthentication": "private_key_jwt"}
        connection = link(
            secret="client", mode={"type": "OAUTH2_CLIENT_CREDENTIALS"}, provider={"oauth": oauth}
        )
        assert sent(await stage.process().source.present(connection)) == "access-0001"
        asked = stage.far_end.asked[0]
        assert asked["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        header, claims = claims_of(asked["client_assertion"])
        assert header["kid"] == "k9"
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("c-1", "c-1", oauth["tokenUrl"])
        assert "client_secret" not in asked

    play(story)


def test_aws_requests_are_signed_anew_at_each_attempt_and_the_secret_key_never_sent() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("aws", accessKeyId="AKID", secretAccessKey="canary-secret")
        connection = link(secret="aws", mode=AWS, config={"region": "eu-west-1"})
        presented = await stage.process().source.present(connection)
        assert isinstance(presented, Presented)
        assert presented.sign is not None
        request = HttpRequest("GET", "https://api.example.com/v1/x", Destination("tenant", NAMESPACE))
        first = presented.sign(request, stage.clock.now())
        later = presented.sign(first, stage.clock.now() + timedelta(minutes=1))
        assert "Credential=AKID/20261121/eu-west-1/s3/aws4_request" in first.headers["Authorization"]
        assert first.headers["Authorization"] != later.headers["Authorization"]
        assert "canary-secret" not in json.dumps(dict(first.headers))
        assert SecretText("canary-secret") in presented.secrets

    play(story)


@pytest.mark.parametrize("encoding", ["form", "json"])
def test_token_requests_are_encoded_as_the_vendor_wants(encoding: str) -> None:
    async def story(stage: Stage) -> None:
        seen: list[HttpRequest] = []

        def far_end(request: HttpRequest) -> Any:
            seen.append(request)
            return answer(200, {"access_token": "a"})

        stage.egress.far_end = far_end
        oauth = {
            "tokenUrl": "https://auth.example.com/token",
            "clientEnvPrefix": "EXAMPLE",
            "tokenEncoding": encoding,
            "tokenParams": {"audience": "https://{{ config.site }}/"},
            "tokenHeaders": {"X-Version": "7"},
        }
        mode = {"type": "OAUTH2_CLIENT_CREDENTIALS"}
        connection = link(mode=mode, provider={"oauth": oauth}, config={"site": "acme"})
        await stage.process().source.present(connection)
        fields = json.loads(seen[0].body) if encoding == "json" else dict(parse_qsl(seen[0].body.decode()))
        assert fields == {"grant_type": "client_credentials", "audience": "https://acme/"}
        assert seen[0].headers["X-Version"] == "7"
        pair = base64.b64decode(seen[0].headers["Authorization"].removeprefix("Basic ")).decode()
        assert pair == "hub-client:hub-client-secret"

    play(story)


def test_a_tenants_own_provider_does_not_get_at_the_hubs_environment() -> None:
    async def story(stage: Stage) -> None:
        connection = link(mode={"type": "OAUTH2_CLIENT_CREDENTIALS"}, provider_namespace=NAMESPACE)
        problem = await stage.process().source.present(connection)
        assert isinstance(problem, CredentialProblem)
        assert problem.reason is Reason.OAUTH_CLIENT_MISSING
        assert stage.egress.requests == []

    play(story)


@pytest.mark.parametrize(
    ("provider_namespace", "place"),
    [
        pytest.param("", "integration-hub", id="cluster provider"),
        pytest.param("vendors", "vendors", id="own"),
    ],
)
def test_a_providers_client_secret_lies_beside_it_or_in_the_hubs_namespace(
    provider_namespace: str, place: str
) -> None:
    async def story(stage: Stage) -> None:
        oauth = {"tokenUrl": "https://auth.example.com/token", "clientSecretRef": {"name": "client"}}
        connection = link(
            mode={"type": "OAUTH2_CLIENT_CREDENTIALS"},
            provider={"oauth": oauth},
            provider_namespace=provider_namespace,
        )
        process = stage.process()
        missing = await process.source.present(connection)
        assert isinstance(missing, CredentialProblem)
        assert f"Secret {place}/client" in missing.message
        stage.secret("client", namespace=place, clientId="c", clientSecret="s")
        await asyncio.sleep(10)
        assert sent(await process.source.present(connection)) == "access-0001"

    play(story)


@pytest.mark.parametrize(
    ("provider", "spec", "sent_there"),
    [
        pytest.param({"tokenUrl": "https://{{ config.host }}/token"}, {}, False, id="the whole address"),
        pytest.param({"tokenUrl": "/token"}, {}, False, id="a path below a base that it decides over"),
        pytest.param({"tokenUrl": "/token"}, {"region": "eu"}, True, id="a path below a region's base"),
        pytest.param(
            {"tokenUrl": "/token", "clientHosts": ["auth.example.com"]}, {}, True, id="a host that is listed"
        ),
    ],
)
def test_a_shared_clients_secret_goes_nowhere_that_an_integrations_config_chose(
    provider: Mapping[str, Any], spec: Mapping[str, Any], sent_there: bool
) -> None:
    async def story(stage: Stage) -> None:
        connection = link(
            mode={"type": "OAUTH2_CLIENT_CREDENTIALS"},
            provider={
                "baseUrl": "https://{{ config.host }}",
                "regions": {"eu": "https://auth.example.com"},
                "oauth": {"clientEnvPrefix": "EXAMPLE", **provider},
            },
            config={"host": "auth.example.com"},
            **spec,
        )
        found = await stage.process().source.present(connection)
        if sent_there:
            assert sent(found) == "access-0001"
        else:
            assert isinstance(found, CredentialProblem)
            assert "clientHosts" in found.message
            assert stage.egress.requests == []

    play(story)


def test_tokens_are_asked_for_only_where_somebody_agreed_that_credentials_go() -> None:
    async def story(stage: Stage) -> None:
        oauth = {"tokenUrl": "https://elsewhere.example.com/token", "clientEnvPrefix": "EXAMPLE"}
        connection = link(mode={"type": "OAUTH2_CLIENT_CREDENTIALS"}, provider={"oauth": oauth})
        problem = await stage.process().source.present(connection)
        assert isinstance(problem, CredentialProblem)
        assert "elsewhere.example.com" in problem.message
        assert stage.egress.requests == []

    play(story)


@pytest.mark.parametrize(
    ("mode", "data", "reason", "says"),
    [
        pytest.param({"type": "API_KEY"}, {}, Reason.SECRET_KEY_MISSING, "apiKey", id="no key"),
        pytest.param(GOOGLE, {"serviceAccount": "{"}, Reason.SECRET_KEY_INVALID, "JSON", id="no document"),
        pytest.param(
            GOOGLE, {"serviceAccount": "{}"}, Reason.SECRET_KEY_INVALID, "private_key", id="an empty document"
        ),
        pytest.param(
            GITHUB_APP,
            {"appId": "1", "privateKey": "canary"},
            Reason.SECRET_KEY_INVALID,
            "private key in PEM",
            id="no private key",
        ),
        pytest.param(TWO_STEP, {"username": "u"}, Reason.SECRET_KEY_MISSING, "password", id="half a login"),
        pytest.param(
            AWS, {"accessKeyId": "a"}, Reason.SECRET_KEY_MISSING, "secretAccessKey", id="half an access key"
        ),
    ],
)
def test_what_the_secret_lacks_is_named_and_never_shown(
    mode: dict[str, Any], data: dict[str, str], reason: Reason, says: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.secret("given", **{"other": "x", **data})
        connection = link(secret="given", mode=mode, config={"installation": 1, "subject": "", "region": "r"})
        problem = await stage.process().source.present(connection)
        assert isinstance(problem, CredentialProblem)
        assert problem.reason is reason
        assert says in problem.message
        assert "canary" not in problem.message
        assert stage.egress.requests == []

    play(story)


# --------------------------------------------------------------------------- given over HTTP


@pytest.mark.parametrize(
    ("mode", "given", "header"),
    [
        ({"type": "BEARER"}, {"accessToken": "t"}, "Bearer t"),
        ({"type": "BEARER", "secretKeys": {"token": "botToken"}}, {"apiKey": "t"}, "Bearer t"),
        ({"type": "API_KEY"}, {"apiKey": "k"}, "k"),
        (
            {"type": "BASIC", "secretKeys": {"username": "email"}},
            {"username": "u", "password": "p"},
            "Basic dTpw",
        ),
        ({"type": "OAUTH2"}, {"accessToken": "t"}, "Bearer t"),
    ],
)
def test_what_was_given_over_http_is_kept_sealed_and_used(
    mode: dict[str, Any], given: dict[str, str], header: str
) -> None:
    async def story(stage: Stage) -> None:
        process, connection = stage.process(), link(mode=mode)
        secret = {name: SecretText(value) for name, value in given.items()}
        kept = await process.keeper.keep(connection.key, connection.uid, secret, caller="alice")
        assert kept is None
        presented = await stage.process().source.present(connection)
        assert isinstance(presented, Presented), presented
        assert presented.headers["Authorization"] == SecretText(header)
        owned = stage.owned()
        assert owned is not None
        assert owned["given"].startswith("ihs1.")
        first = stage.store.audit[0]
        assert (first.actor, first.action) == ("alice", "store")

    play(story)


def test_a_secret_of_that_name_that_is_not_the_hubs_is_neither_read_nor_written() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("intg-chat-hub", accessToken="canary")
        process, connection = stage.process(), link()
        for problem in (
            await process.source.present(connection),
            await process.keeper.keep(
                connection.key, connection.uid, {"apiKey": SecretText("k")}, caller="a"
            ),
        ):
            assert isinstance(problem, CredentialProblem)
            assert problem.reason is Reason.SECRET_NOT_OURS
        assert stage.writes() == 0

    play(story)


def test_the_secret_of_an_earlier_integration_of_that_name_is_waited_for() -> None:
    async def story(stage: Stage) -> None:
        process, earlier = stage.process(), Key("Integration", NAMESPACE, "chat")
        assert (
            await process.keeper.keep(earlier, "uid-before", {"apiKey": SecretText("k")}, caller="a") is None
        )
        problem = await stage.process().source.present(link(mode={"type": "API_KEY"}))
        assert isinstance(problem, CredentialProblem)
        assert (problem.reason, problem.lasting) == (Reason.SECRET_NOT_OURS, False)

    play(story)


def test_a_copied_grant_does_not_open_for_another_integration() -> None:
    async def story(stage: Stage) -> None:
        process = stage.process()
        one, two = link("one", uid="uid-one"), link("two", uid="uid-two", mode={"type": "API_KEY"})
        await process.keeper.keep(one.key, one.uid, {"apiKey": SecretText("theirs")}, caller="a")
        await process.keeper.keep(two.key, two.uid, {"apiKey": SecretText("mine")}, caller="a")
        stolen = stage.cluster.read(SECRETS, NAMESPACE, "intg-one-hub")
        assert stolen is not None
        stage.cluster.put(SECRETS, NAMESPACE, "intg-two-hub", data=stolen["data"])
        problem = await stage.process().source.present(two)
        assert isinstance(problem, CredentialProblem)
        assert problem.reason is Reason.ENCRYPTION_ERROR

    play(story)


def test_no_secret_of_any_scheme_is_stored_or_shown_in_the_clear() -> None:
    async def story(stage: Stage) -> None:
        process = stage.process(keys=(KEY,))
        stage.egress.far_end = lambda _: answer(
            200, {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": 60}
        )
        stage.secret("tokens", accessToken="x", refreshToken="y", tokenExpiry="2020-01-01T00:00:00Z")
        chat = link(secret="tokens")
        presented = await process.source.present(chat)
        given = {"apiKey": SecretText("canary-given")}
        await process.keeper.keep(Key("Integration", NAMESPACE, "other"), "u", given, caller="a")
        facts = await process.source.facts(chat)
        assert isinstance(facts, CredentialFacts)
        assert facts.sealed
        shown = stage.everything_stored() + repr(presented) + repr(facts) + repr(vars(process.source))
        assert "canary" not in shown

    play(story)


# --------------------------------------------------------------------------- replacing keys


ROTATING = {
    "type": "API_KEY",
    "apiKey": {"name": "X-Key"},
    "rotation": {
        "request": {"url": "/keys", "encoding": "json"},
        "values": {"apiKey": "body.key", "keyName": "body.id"},
        "revoke": {"url": "/keys/{{ secret.keyName }}/revoke"},
    },
}


def keys_far_end(stage: Stage) -> list[tuple[str, str]]:
    """A vendor's key management; returns what it was asked: path, and the key that was carried."""
    asked: list[tuple[str, str]] = []

    def far_end(request: HttpRequest) -> Any:
        asked.append((request.url.removeprefix("https://api.example.com/v1"), request.headers["X-Key"]))
        return answer(200, {"key": "new-key", "id": "k2"})

    stage.egress.far_end = far_end
    return asked


async def _key(stage: Stage, connection: Any, purpose: str = "") -> str:
    presented = await stage.process().source.present(connection, purpose=purpose)
    assert isinstance(presented, Presented), presented
    return presented.headers["X-Key"].reveal()


def _facts(outcome: object) -> CredentialFacts:
    assert isinstance(outcome, CredentialFacts), outcome
    return outcome


@pytest.mark.parametrize("write_back", [False, True], ids=["given over HTTP", "written back"])
def test_a_key_is_made_tried_swapped_and_the_old_one_ended(write_back: bool) -> None:
    async def story(stage: Stage) -> None:
        asked = keys_far_end(stage)
        connection = await _rotating(stage, write_back=write_back)
        keeper = stage.process().keeper
        assert _facts(await stage.process().source.facts(connection)).rotatable
        assert _facts(await keeper.make_key(connection)).stage.value == "Trial"
        assert await _key(stage, connection) == "old-key"
        assert await _key(stage, connection, "rotation") == "new-key"
        assert _facts(await stage.process().keeper.swap_key(connection)).stage.value == "Swapped"
        assert await _key(stage, connection) == "new-key"
        assert _facts(await stage.process().keeper.end_old_key(connection)).stage.value == "None"
        assert asked == [("/keys", "old-key"), ("/keys/k1/revoke", "new-key")]
        assert await _key(stage, connection) == "new-key"

    play(story)


@pytest.mark.parametrize("write_back", [False, True], ids=["given over HTTP", "written back"])
@pytest.mark.parametrize("swapped", [False, True], ids=["from its trial", "after the swap"])
def test_a_key_that_does_not_prove_itself_is_taken_back(swapped: bool, write_back: bool) -> None:
    async def story(stage: Stage) -> None:
        asked = keys_far_end(stage)
        connection = await _rotating(stage, write_back=write_back)
        await stage.process().keeper.make_key(connection)
        if swapped:
            await stage.process().keeper.swap_key(connection)
        assert _facts(await stage.process().keeper.roll_back_key(connection)).stage.value == "None"
        assert await _key(stage, connection) == "old-key"
        assert asked[-1] == ("/keys/k2/revoke", "old-key")

    play(story)


def test_each_step_may_be_repeated() -> None:
    async def story(stage: Stage) -> None:
        asked = keys_far_end(stage)
        connection = await _rotating(stage, write_back=True)
        keeper = stage.process().keeper
        for step in (keeper.make_key, keeper.swap_key, keeper.end_old_key):
            for _ in range(3):
                _facts(await step(connection))
        assert [path for path, _ in asked] == ["/keys", "/keys/k1/revoke"]

    play(story)


def test_a_users_secret_is_not_written_unless_they_asked_for_it() -> None:
    async def story(stage: Stage) -> None:
        stage.secret("key", apiKey="old-key", keyName="k1")
        assert not _facts(await stage.process().source.facts(link(mode=ROTATING, secret="key"))).rotatable

    play(story)


async def _rotating(stage: Stage, *, write_back: bool) -> Any:
    values = {"apiKey": "old-key", "keyName": "k1"}
    if not write_back:
        connection = link(mode=ROTATING)
        secret = {name: SecretText(value) for name, value in values.items()}
        await stage.process().keeper.keep(connection.key, connection.uid, secret, caller="a")
        return connection
    stage.secret("key", **values)
    return link(
        mode=ROTATING,
        secret="key",
        credentials={"rotation": {"writeBack": True}, "secretRef": {"name": "key"}},
    )
