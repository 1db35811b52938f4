"""Callers and their rights, as the API server's reviews tell: asked once, remembered a little, bounded."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from integration_hub.adapters.kubernetes.review import AccessReviewer, TokenReviewer
from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Access, ApiError, Caller, Json, Problem, Resource, SecretText
from virtual_time import VirtualClock, run

AUDIENCE = "integration-hub"
GOOD: dict[str, Any] = {
    "authenticated": True,
    "audiences": [AUDIENCE],
    "user": {
        "username": "system:serviceaccount:team-a:bot",
        "uid": "u-1",
        "groups": ["system:serviceaccounts"],
        "extra": {"authentication.kubernetes.io/pod-name": ["bot-0"]},
    },
}
ACCESS = Access("create", "integrations", "team-a", "gh", "call")


class Reviews:
    """ClusterWriter.create for reviews: `answer` is a status, or what is raised."""

    def __init__(self, answer: Json | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Json]] = []
        self.seconds = 0.0

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        self.asked.append((resource.plural, namespace, body["spec"]))
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {**body, "status": self.answer}


def tokens(reviews: Reviews) -> TokenReviewer:
    return TokenReviewer(reviews, VirtualClock(), audience=AUDIENCE)  # type: ignore[arg-type]


def rights(reviews: Reviews, *, local: bool = False) -> AccessReviewer:
    return AccessReviewer(reviews, VirtualClock(), local=local)  # type: ignore[arg-type]


def jwt(**claims: Any) -> SecretText:
    parts = [{"alg": "RS256"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts]
    return SecretText(".".join((*encoded, "c2ln")))


def test_a_token_is_reviewed_for_our_audience_and_its_holder_told() -> None:
    async def story() -> None:
        reviews = Reviews(GOOD)
        caller = await tokens(reviews).authenticate(SecretText("opaque"))
        assert isinstance(caller, Caller)
        assert (caller.user, caller.namespace, caller.uid) == (
            "system:serviceaccount:team-a:bot",
            "team-a",
            "u-1",
        )
        assert caller.extra == {"authentication.kubernetes.io/pod-name": ("bot-0",)}
        assert reviews.asked == [("tokenreviews", "", {"token": "opaque", "audiences": [AUDIENCE]})]

    run(story())


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False, "error": "invalid bearer token"},
        {},
        {**GOOD, "audiences": ["https://kubernetes.default.svc"]},
        {**GOOD, "audiences": []},
        {**GOOD, "user": {}},
    ],
    ids=["refused", "silent", "another audience", "no audience", "nobody"],
)
def test_who_is_not_told_for_certain_is_nobody(status: Json) -> None:
    async def story() -> None:
        told = await tokens(Reviews(status)).authenticate(SecretText("t"))
        assert isinstance(told, Problem)
        assert told.code is ErrorCode.UNAUTHENTICATED

    run(story())


@pytest.mark.parametrize("answer", [GOOD, {"authenticated": False}], ids=["good", "bad"])
def test_a_token_is_reviewed_once_in_ten_seconds_good_or_bad(answer: Json) -> None:
    async def story() -> None:
        reviews = Reviews(answer)
        reviewer = tokens(reviews)
        for _ in range(100):
            await reviewer.authenticate(SecretText("t"))
        assert len(reviews.asked) == 1
        await asyncio.sleep(9.9)
        await reviewer.authenticate(SecretText("t"))
        assert len(reviews.asked) == 1
        await asyncio.sleep(0.2)
        await reviewer.authenticate(SecretText("t"))
        assert len(reviews.asked) == 2

    run(story())


def test_many_at_once_with_one_token_are_one_review() -> None:
    async def story() -> None:
        reviews = Reviews(GOOD)
        reviews.seconds = 1.0
        reviewer = tokens(reviews)
        told = await asyncio.gather(*(reviewer.authenticate(SecretText("t")) for _ in range(500)))
        assert len(reviews.asked) == 1
        assert all(isinstance(each, Caller) for each in told)

    run(story())


def test_one_caller_who_goes_away_does_not_take_the_others_answer_along() -> None:
    async def story() -> None:
        reviews = Reviews(GOOD)
        reviews.seconds = 1.0
        reviewer = tokens(reviews)
        first = asyncio.create_task(reviewer.authenticate(SecretText("t")))
        second = asyncio.create_task(reviewer.authenticate(SecretText("t")))
        await asyncio.sleep(0.5)
        first.cancel()
        assert isinstance(await second, Caller)
        assert len(reviews.asked) == 1

    run(story())


def test_a_token_is_not_remembered_beyond_its_end() -> None:
    async def story() -> None:
        clock = VirtualClock()
        reviews = Reviews(GOOD)
        reviewer = TokenReviewer(reviews, clock, audience=AUDIENCE)  # type: ignore[arg-type]
        token = jwt(exp=clock.now().timestamp() + 3)
        await reviewer.authenticate(token)
        await asyncio.sleep(3.1)
        told = await reviewer.authenticate(token)
        assert isinstance(told, Problem)
        assert "expired" in told.details
        assert len(reviews.asked) == 1, "what has ended needs no review"

    run(story())


def test_a_storm_of_bad_tokens_does_not_push_out_the_good_one() -> None:
    async def story() -> None:
        reviews = Reviews(GOOD)
        reviewer = tokens(reviews)
        await reviewer.authenticate(SecretText("good"))
        reviews.answer = {"authenticated": False}
        for number in range(11_000):
            await reviewer.authenticate(SecretText(f"bad-{number}"))
        before = len(reviews.asked)
        assert isinstance(await reviewer.authenticate(SecretText("good")), Caller)
        assert len(reviews.asked) == before

    run(story())


def test_more_reviews_than_can_wait_are_told_to_come_again() -> None:
    async def story() -> None:
        reviews = Reviews(GOOD)
        reviews.seconds = 1.0
        reviewer = tokens(reviews)
        told = await asyncio.gather(*(reviewer.authenticate(SecretText(f"t{n}")) for n in range(400)))
        refused = [each for each in told if isinstance(each, Problem)]
        assert 0 < len(refused) < 200
        assert {each.code for each in refused} == {ErrorCode.NOT_READY}
        assert all(each.retry_after for each in refused)

    run(story())


def test_an_api_server_that_is_away_is_no_verdict_and_is_asked_again() -> None:
    async def story() -> None:
        reviews = Reviews(ApiError(0, "ConnectionFailed", "cannot connect", retry_after=None))
        reviewer = tokens(reviews)
        told = await reviewer.authenticate(SecretText("t"))
        assert isinstance(told, Problem)
        assert (told.code, told.retryable) == (ErrorCode.NOT_READY, True)
        reviews.answer = GOOD
        assert isinstance(await reviewer.authenticate(SecretText("t")), Caller)

    run(story())


# --------------------------------------------------------------------------- rights


def test_rights_are_asked_for_with_all_that_is_known_of_the_caller() -> None:
    async def story() -> None:
        reviews = Reviews({"allowed": True})
        caller = Caller("bot", groups=("g1", "g2"), uid="u", extra={"k": ("v",)})
        assert await rights(reviews).refusal(caller, ACCESS) is None
        assert reviews.asked == [
            (
                "subjectaccessreviews",
                "team-a",
                {
                    "user": "bot",
                    "groups": ["g1", "g2"],
                    "uid": "u",
                    "extra": {"k": ["v"]},
                    "resourceAttributes": {
                        "group": "integrationhub.io",
                        "version": "v1alpha1",
                        "verb": "create",
                        "resource": "integrations",
                        "subresource": "call",
                        "namespace": "team-a",
                        "name": "gh",
                    },
                },
            )
        ]

    run(story())


def test_a_refusal_says_what_is_lacking() -> None:
    async def story() -> None:
        refusal = await rights(Reviews({"allowed": False})).refusal(Caller("bot"), ACCESS)
        assert refusal == Problem(
            ErrorCode.FORBIDDEN,
            "bot may not create integrations/call.integrationhub.io gh in namespace team-a. "
            "The role edit allows it.",
        )

    run(story())


@pytest.mark.parametrize(
    ("verb", "resource", "subresource", "role"),
    [
        ("get", "integrations", "", "view"),
        ("get", "integrations", "logs", "view"),
        ("create", "integrations", "", "edit"),
        ("create", "integrations", "connect", "edit"),
        ("list", "integrations", "audit", "admin"),
    ],
)
def test_a_refusal_names_the_least_role_that_helps(
    verb: str, resource: str, subresource: str, role: str
) -> None:
    async def story() -> None:
        access = Access(verb, resource, "team-a", subresource=subresource)
        refusal = await rights(Reviews({"allowed": False})).refusal(Caller("bot"), access)
        assert refusal is not None
        assert refusal.details.endswith(f"The role {role} allows it.")

    run(story())


@pytest.mark.parametrize(("allowed", "seconds"), [(True, 10.0), (False, 2.0)])
def test_what_is_allowed_is_remembered_longer_than_what_is_not(allowed: bool, seconds: float) -> None:
    async def story() -> None:
        reviews = Reviews({"allowed": allowed})
        reviewer = rights(reviews)
        await reviewer.refusal(Caller("bot"), ACCESS)
        await asyncio.sleep(seconds - 0.1)
        await reviewer.refusal(Caller("bot"), ACCESS)
        assert len(reviews.asked) == 1
        await asyncio.sleep(0.2)
        await reviewer.refusal(Caller("bot"), ACCESS)
        assert len(reviews.asked) == 2

    run(story())


@pytest.mark.parametrize(
    "other",
    [
        Caller("bot", groups=("admins",)),
        Caller("bot", uid="another"),
        Caller("bot", extra={"scopes": ("all",)}),
        Caller("bob"),
    ],
)
def test_one_callers_right_is_not_anothers(other: Caller) -> None:
    async def story() -> None:
        reviews = Reviews({"allowed": True})
        reviewer = rights(reviews)
        await reviewer.refusal(Caller("bot"), ACCESS)
        reviews.answer = {"allowed": False}
        assert await reviewer.refusal(other, ACCESS) is not None

    run(story())


def test_a_namespaced_install_asks_within_the_namespace_and_nowhere_else() -> None:
    async def story() -> None:
        reviews = Reviews({"allowed": True})
        reviewer = rights(reviews, local=True)
        assert await reviewer.refusal(Caller("bot"), ACCESS) is None
        assert reviews.asked[0][:2] == ("localsubjectaccessreviews", "team-a")
        everywhere = Access("list", "clusterintegrationproviders", "")
        refusal = await reviewer.refusal(Caller("bot"), everywhere)
        assert refusal is not None
        assert refusal.code is ErrorCode.FORBIDDEN
        assert len(reviews.asked) == 1

    run(story())


def test_rights_that_cannot_be_checked_are_not_had() -> None:
    async def story() -> None:
        refusal = await rights(Reviews(ApiError(503, "ServiceUnavailable", "away"))).refusal(
            Caller("bot"), ACCESS
        )
        assert refusal is not None
        assert refusal.code is ErrorCode.NOT_READY

    run(story())
