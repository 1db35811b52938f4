"""ports.CredentialIntake that keeps what it is given, for a test to look at."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.ports import CredentialProblem, Key, SecretText


class MemoryIntake:
    """`kept` by the Integration's uid. While `trouble` is set, everything is refused with it."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}
        self.trouble: CredentialProblem | None = None

    async def keep(
        self, integration: Key, uid: str, given: Mapping[str, SecretText], *, caller: str
    ) -> CredentialProblem | None:
        if self.trouble is not None:
            return self.trouble
        self.kept[uid] = {name: value.reveal() for name, value in given.items()}
        return None
