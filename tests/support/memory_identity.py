"""ports.Authenticator and ports.Authorizer in memory: tokens by name, rights by table."""

from __future__ import annotations

from integration_hub.api.errors import ErrorCode
from integration_hub.ports import Access, Caller, Problem, SecretText


class MemoryAuthenticator:
    """A token is its caller's name; whoever was not introduced is nobody."""

    def __init__(self) -> None:
        self.known: dict[str, Caller] = {}

    def introduce(self, user: str, namespace: str = "") -> Caller:
        """From now on the token `user` is this caller's."""
        self.known[user] = Caller(user, namespace=namespace)
        return self.known[user]

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        known = self.known.get(token.reveal())
        return known or Problem(ErrorCode.UNAUTHENTICATED, "The token is not valid.")


class MemoryAuthorizer:
    """Rights as `(user, verb, resource/subresource, namespace)`; `*` stands for any.

    `broken` holds why nobody can tell, while that is so.
    """

    def __init__(self) -> None:
        self.rights: set[tuple[str, str, str, str]] = set()
        self.asked: list[tuple[str, Access]] = []
        self.broken = ""

    def grant(self, user: str, verb: str = "*", what: str = "*", namespace: str = "*") -> None:
        self.rights.add((user, verb, what, namespace))

    def revoke(self, user: str) -> None:
        self.rights = {each for each in self.rights if each[0] != user}

    async def refusal(self, caller: Caller, access: Access) -> Problem | None:
        self.asked.append((caller.user, access))
        if self.broken:
            return Problem(ErrorCode.NOT_READY, self.broken, 2.0)
        what = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
        wanted = (caller.user, access.verb, what, access.namespace)
        if any(
            all(has in ("*", want) for has, want in zip(each, wanted, strict=True)) for each in self.rights
        ):
            return None
        return Problem(
            ErrorCode.FORBIDDEN,
            f"{caller.user} may not {access.verb} {what} in namespace {access.namespace}.",
        )
