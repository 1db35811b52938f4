"""Credentials in Kubernetes Secrets, whoever writes them: a person, GitOps, External Secrets."""

from __future__ import annotations

from integration_hub.api.reasons import Reason
from integration_hub.credentials.owned_secret import SECRET_TYPE
from integration_hub.domain.consent import Consent
from integration_hub.ports import (
    CredentialProblem,
    Link,
    SecretRead,
    Secrets,
    SecretState,
    SecretVersions,
    SourceVersion,
)
from integration_hub.providers import secret_values


class KubernetesSource:
    """ports.SecretSource for `secretRef`. The metadata-only watch tells versions."""

    unwatched_seconds = 5.0

    def __init__(self, secrets: Secrets, versions: SecretVersions, consent: Consent) -> None:
        self._secrets = secrets
        self._versions = versions
        self._consent = consent

    def named(self, link: Link) -> bool:
        """See the port."""
        return link.spec.credentials.secret_ref is not None

    def version(self, link: Link) -> SourceVersion:
        """See the port."""
        return self._versions.version(link.namespace, _name(link))

    async def read(self, link: Link) -> SecretRead | CredentialProblem:
        """See the port."""
        name = _name(link)
        found = await self._secrets.read(link.namespace, name)
        if found.state is SecretState.DENIED:
            return CredentialProblem(
                Reason.SECRET_ACCESS_DENIED,
                f"The hub may not read Secret {name}: namespace {link.namespace} does not let it in yet. To "
                f"change that: {self._consent.command(link.namespace)}",
            )
        if found.state is SecretState.MISSING:
            needed = secret_values.needed_by(link)
            holding = f" with {secret_values.listed(needed)}" if needed else ""
            return CredentialProblem(
                Reason.SECRET_NOT_FOUND,
                f"There is no Secret {name} in namespace {link.namespace}: create it{holding}.",
            )
        if found.type == SECRET_TYPE:
            return CredentialProblem(
                Reason.SECRET_NOT_OURS,
                f"Secret {name} is kept by the hub for itself: name one of your own in secretRef.",
            )
        return found


def _name(link: Link) -> str:
    reference = link.spec.credentials.secret_ref
    if reference is None:
        raise LookupError("asked only for Integrations that name a Secret")
    return reference.name
