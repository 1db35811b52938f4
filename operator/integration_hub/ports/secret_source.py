"""Where users keep the credentials of their Integrations: Kubernetes Secrets, Vault, and what comes later."""

from __future__ import annotations

from typing import Literal, Protocol

from integration_hub.ports.credentials import CredentialProblem
from integration_hub.ports.link import Link
from integration_hub.ports.secrets import SecretRead

SourceVersion = tuple[str, str] | Literal["missing", "unknown"]
"""Uid and version of what a place holds, or that there is nothing, or that only reading tells."""


class SecretSource(Protocol):
    """One kind of place. It is read when credentials are used, and never written to.

    `unwatched_seconds`: how long what was read counts where `version` cannot tell whether it changed.
    """

    @property
    def unwatched_seconds(self) -> float: ...

    def named(self, link: Link) -> bool:
        """Whether the spec names a place of this kind."""
        ...

    def version(self, link: Link) -> SourceVersion:
        """What is known of it without asking anybody: a matter of microseconds."""
        ...

    async def read(self, link: Link) -> SecretRead | CredentialProblem:
        """The values by the keys that the provider's mode expects; always FOUND.

        A problem that is not `lasting` is about the place, not about what is in it: what was read last goes
        on counting. One that is lasting ends that. Raises ApiError where the API server cannot be asked.
        """
        ...
