"""ports.Secrets: values read on use, never cached, never in an error."""

from __future__ import annotations

import base64
import binascii

from integration_hub.ports import SECRETS, ApiError, ClusterReader, SecretRead, SecretState, SecretText


class KubernetesSecrets:
    """Reads a Secret and answers with what a user can act on: found, missing or denied."""

    def __init__(self, cluster: ClusterReader) -> None:
        self._cluster = cluster

    async def read(self, namespace: str, name: str) -> SecretRead:
        """The Secret's text values. Raises ApiError only where the API server cannot be asked."""
        try:
            secret = await self._cluster.get(SECRETS, namespace, name)
        except ApiError as error:
            if error.status == 403:
                return SecretRead(SecretState.DENIED)
            if error.status == 400:  # a reference that cannot be a Secret's name
                return SecretRead(SecretState.MISSING)
            raise
        if secret is None:
            return SecretRead(SecretState.MISSING)
        data: dict[str, SecretText] = {}
        undecodable: list[str] = []
        for key, encoded in (secret.get("data") or {}).items():
            try:
                data[key] = SecretText(base64.b64decode(encoded or "", validate=True).decode())
            except (binascii.Error, UnicodeDecodeError):
                undecodable.append(key)
        return SecretRead(
            SecretState.FOUND, data, secret["metadata"]["resourceVersion"], tuple(sorted(undecodable))
        )
