"""Replacing keys where the vendor offers that by a request: rotate → verify → swap → verify, or roll back.

Each step is stored before the next begins and may be repeated after a crash. What is not tried yet
(TRIAL) lies beside what is in use; what was in use is kept until its successor has proved itself (SWAPPED).
Whoever drives the steps does the verifying: a probe with purpose `rotation` carries the key on trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from integration_hub.api.authentication import KeyRotation, TokenRequest
from integration_hub.api.reasons import Reason
from integration_hub.credentials import presenting
from integration_hub.credentials.oauth_endpoint import not_askable
from integration_hub.credentials.owned_secret import Kept, KeyChange, OwnedBook, Owner
from integration_hub.credentials.reading import Reading, View
from integration_hub.domain import url
from integration_hub.domain.concealment import concealing, one_line
from integration_hub.domain.conditions import clip
from integration_hub.domain.json_text import decoded
from integration_hub.ports import (
    ApiError,
    Clock,
    CredentialProblem,
    Egress,
    ExpressionError,
    Expressions,
    HttpRequest,
    HttpResponse,
    Link,
    OwnedSecrets,
    Presented,
    RotationStage,
    SecretText,
    SecretWriteState,
)
from integration_hub.providers import token_request
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.secret_values import Values
from integration_hub.providers.token_request import Setting

VARIABLES = ("body", "headers")
_GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """What was read, and the replacement that it holds."""

    view: View
    change: KeyChange


@dataclass(frozen=True, slots=True)
class KeySteps:
    """The four steps. Each returns None when it is done, was done before, or does not apply."""

    reading: Reading
    book: OwnedBook
    secrets: OwnedSecrets
    egress: Egress
    expressions: Expressions
    clock: Clock
    timeout_seconds: float = 30.0

    async def make(self, link: Link) -> CredentialProblem | None:
        """NONE → TRIAL; straight on to SWAPPED where the vendor ends the old key by making a new one."""
        view = await self.reading.look(link, fresh=True)
        declared = link.mode.rotation
        if isinstance(view, CredentialProblem):
            return view
        if declared is None:
            return CredentialProblem(
                Reason.CONFIG_INVALID, "The provider does not say how its keys are replaced."
            )
        if view.kept.rotation is not None:
            return None
        made = await self._made(link, view, declared)
        if isinstance(made, CredentialProblem):
            return made
        old = {name: view.values[name] for name in made if name in view.values}
        trial = KeyChange(RotationStage.TRIAL, made, old)
        problem = await self._alter(link, lambda kept: replace(kept, rotation=kept.rotation or trial))
        if problem is not None:
            # Nobody will ever know the new key: do not leave it lying about.
            await self._revoke(link, view, view.values, made)
            return problem
        return await self.swap(link) if declared.revoke is None else None

    async def swap(self, link: Link) -> CredentialProblem | None:
        """TRIAL → SWAPPED."""
        found = await self._under_way(link, RotationStage.TRIAL)
        if not isinstance(found, _UnderWay):
            return found
        change = found.change
        return await self._use(link, found.view, change.new, replace(change, stage=RotationStage.SWAPPED))

    async def end_old(self, link: Link) -> CredentialProblem | None:
        """SWAPPED → NONE."""
        found = await self._under_way(link, RotationStage.SWAPPED)
        if not isinstance(found, _UnderWay):
            return found
        view, change = found.view, found.change
        problem = await self._revoke(link, view, {**view.values, **change.new}, change.old)
        return problem or await self._alter(link, lambda kept: replace(kept, rotation=None))

    async def roll_back(self, link: Link) -> CredentialProblem | None:
        """TRIAL or SWAPPED → NONE. The new key is ended if that can be done."""
        found = await self._under_way(link, RotationStage.TRIAL, RotationStage.SWAPPED)
        if not isinstance(found, _UnderWay):
            return found
        view, change = found.view, found.change
        if change.stage is RotationStage.SWAPPED:
            problem = await self._use(link, view, change.old, replace(change, stage=RotationStage.TRIAL))
            if problem is not None:
                return problem
        await self._revoke(link, view, {**view.values, **change.old}, change.new)
        return await self._alter(link, lambda kept: replace(kept, rotation=None))

    # ------------------------------------------------------------------ inside

    async def _under_way(self, link: Link, *stages: RotationStage) -> _UnderWay | CredentialProblem | None:
        view = await self.reading.look(link, fresh=True)
        if isinstance(view, CredentialProblem):
            return view
        change = view.kept.rotation
        return _UnderWay(view, change) if change is not None and change.stage in stages else None

    async def _use(
        self, link: Link, view: View, values: Values, change: KeyChange
    ) -> CredentialProblem | None:
        """Put these values where the connection reads its own, then say how far the change has come."""
        source, reference = view.source, link.spec.credentials.secret_ref
        if source is not None and reference is not None:
            try:
                done = await self.secrets.write_back(
                    link.namespace,
                    reference.name,
                    values,
                    uid=source.uid,
                    resource_version=source.resource_version,
                )
            except ApiError as error:
                return _unwritten(reference.name, error.reason or str(error.status))
            if done.state is not SecretWriteState.WRITTEN:
                return _unwritten(reference.name, done.state.value)
        elif source is not None:
            return CredentialProblem(
                Reason.ROTATION_FAILED,
                f"The hub does not write to {link.spec.credentials.place}: put the new key there yourself.",
            )
        given = {} if source is not None else dict(values)
        now = self.clock.now()
        return await self._alter(
            link,
            lambda kept: replace(kept, rotation=change, given={**kept.given, **given}, rotated_at=now),
        )

    async def _alter(self, link: Link, alter: Callable[[Kept], Kept]) -> CredentialProblem | None:
        done = await self.book.change(Owner.of(link), alter)
        if isinstance(done, CredentialProblem):
            return done
        self.reading.changed(link.uid)
        return None

    async def _made(
        self, link: Link, view: View, declared: KeyRotation
    ) -> dict[str, SecretText] | CredentialProblem:
        answer = await self._send(link, view, declared.request, view.values, view.values)
        if isinstance(answer, CredentialProblem):
            return answer
        seen = {"body": decoded(answer.body), "headers": dict(answer.headers)}
        made: dict[str, SecretText] = {}
        for name, source in declared.values.items():
            program = self.expressions.compile(source, VARIABLES)
            value = program if isinstance(program, ExpressionError) else program.evaluate(seen)
            if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
                return CredentialProblem(
                    Reason.ROTATION_FAILED, f"The vendor's answer holds no {name}, so no key was replaced."
                )
            made[name] = SecretText(str(value))
        return made

    async def _revoke(self, link: Link, view: View, using: Values, ended: Values) -> CredentialProblem | None:
        declared = link.mode.rotation
        if declared is None or declared.revoke is None:
            return None
        answer = await self._send(link, view, declared.revoke, using, {**using, **ended}, gone=True)
        return answer if isinstance(answer, CredentialProblem) else None

    async def _send(
        self,
        link: Link,
        view: View,
        request: TokenRequest,
        using: Values,
        filled_with: Values,
        *,
        gone: bool = False,
    ) -> HttpResponse | CredentialProblem:
        """A declared request, carrying the credentials `using`, its templates filled with others."""
        setting = Setting.of(link, filled_with, self.expressions, self.timeout_seconds)
        made = token_request.build(request, setting)
        if isinstance(made, RequestProblem):
            return not_askable(made)
        presented = presenting.of_values(link, view, self.expressions, using)
        if isinstance(presented, CredentialProblem):
            return presented
        answer = await self.egress.send(self._carrying(made, presented))
        conceal = concealing((*presented.secrets, *filled_with.values()))
        if not isinstance(answer, HttpResponse):
            return CredentialProblem(Reason.ROTATION_FAILED, conceal(answer.message), lasting=False)
        if answer.status >= 400 and not (gone and answer.status in _GONE):
            said = clip(one_line(answer.body.decode("utf-8", "replace"), conceal), 128)
            return CredentialProblem(
                Reason.ROTATION_FAILED,
                f"The vendor refuses to replace the key (status {answer.status}: {said}).",
                lasting=answer.status < 500 and answer.status != 429,
            )
        return answer

    def _carrying(self, made: HttpRequest, presented: Presented) -> HttpRequest:
        headers = {name: value.reveal() for name, value in presented.headers.items()}
        query = {name: value.reveal() for name, value in presented.query.items()}
        request = replace(made, headers={**made.headers, **headers}, url=url.with_query(made.url, query))
        return presented.sign(request, self.clock.now()) if presented.sign is not None else request


def _unwritten(name: str, why: str) -> CredentialProblem:
    return CredentialProblem(
        Reason.ROTATION_FAILED,
        f"Secret {name} could not be written ({why}); it is tried again.",
        lasting=False,
    )
