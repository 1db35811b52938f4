"""ports.Secrets and ports.OwnedSecrets: values as they are now, never in an error."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Mapping

from integration_hub.api.meta import API_VERSION
from integration_hub.ports import (
    SECRETS,
    ApiError,
    Cluster,
    ClusterReader,
    Json,
    SecretDraft,
    SecretRead,
    SecretState,
    SecretText,
    SecretWrite,
    SecretWriteState,
)

_LOST = frozenset({404, 409})


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
        metadata = secret["metadata"]
        return SecretRead(
            SecretState.FOUND,
            data,
            metadata["resourceVersion"],
            tuple(sorted(undecodable)),
            uid=metadata.get("uid", ""),
            type=secret.get("type", ""),
            owners=tuple(each.get("uid", "") for each in metadata.get("ownerReferences") or ()),
        )


class KubernetesOwnedSecrets(KubernetesSecrets):
    """Writes Secrets that belong to our own objects.

    Whether leadership gates it is the cluster's matter: the gateway stores what a person has just
    granted, and compare-and-swap keeps replicas apart.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._writer = cluster

    async def create(self, draft: SecretDraft) -> SecretWrite:
        """POST; CONFLICT where the name is taken."""
        return await _written(self._writer.create(SECRETS, draft.namespace, _body(draft)))

    async def replace(self, draft: SecretDraft, *, uid: str, resource_version: str) -> SecretWrite:
        """PUT with uid and resourceVersion as preconditions."""
        body = _body(draft, uid=uid, resourceVersion=resource_version)
        return await _written(self._writer.replace(SECRETS, draft.namespace, draft.name, body))

    async def delete(self, namespace: str, name: str, *, uid: str) -> SecretWriteState:
        """DELETE with the uid as precondition."""
        try:
            await self._writer.delete(SECRETS, namespace, name, uid=uid)
        except ApiError as error:
            if error.status == 403:
                return SecretWriteState.DENIED
            raise
        return SecretWriteState.WRITTEN

    async def write_back(
        self, namespace: str, name: str, values: Mapping[str, SecretText], *, uid: str, resource_version: str
    ) -> SecretWrite:
        """GET and PUT of the whole, so that no right to patch Secrets is needed."""
        try:
            found = await self._writer.get(SECRETS, namespace, name)
        except ApiError as error:
            if error.status == 403:
                return SecretWrite(SecretWriteState.DENIED)
            raise
        metadata = found["metadata"] if found is not None else {}
        if found is None or (metadata["uid"], metadata["resourceVersion"]) != (uid, resource_version):
            return SecretWrite(SecretWriteState.CONFLICT)
        body = {**found, "data": {**(found.get("data") or {}), **_encoded(values)}}
        return await _written(self._writer.replace(SECRETS, namespace, name, body))


def _body(draft: SecretDraft, **preconditions: str) -> Json:
    return {
        "metadata": {
            "name": draft.name,
            "namespace": draft.namespace,
            "labels": {"app.kubernetes.io/managed-by": "integration-hub"},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": draft.owner_kind,
                    "name": draft.owner_name,
                    "uid": draft.owner_uid,
                }
            ],
            **preconditions,
        },
        "type": draft.type,
        "data": _encoded(draft.data),
    }


def _encoded(values: Mapping[str, SecretText]) -> dict[str, str]:
    return {key: base64.b64encode(value.reveal().encode()).decode() for key, value in values.items()}


async def _written(answer: Awaitable[Json]) -> SecretWrite:
    """What the API server said of a write that may lose to another. Raises ApiError for the rest."""
    try:
        written = await answer
    except ApiError as error:
        if error.status == 403:
            return SecretWrite(SecretWriteState.DENIED)
        if error.status in _LOST:
            return SecretWrite(SecretWriteState.CONFLICT)
        raise
    metadata = written["metadata"]
    return SecretWrite(SecretWriteState.WRITTEN, metadata["resourceVersion"], metadata.get("uid", ""))
