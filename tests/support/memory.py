"""Ports in memory, beside `memory_cluster.MemoryCluster`: Secrets, egress, Events, metrics.

They behave as the real ones do towards their caller, and remember what was asked of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from integration_hub.ports import (
    EventNote,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    HttpStream,
    SecretDraft,
    SecretRead,
    SecretState,
    SecretText,
    SecretWrite,
    SecretWriteState,
)
from integration_hub.runtime.reflector import Service

Answer = HttpResponse | HttpFailure


class MemorySecrets:
    """ports.Secrets, ports.OwnedSecrets, and what the watch of Secrets knows (runtime.reflector).

    `changed` is called with namespace and name after each change, as the watch does.
    """

    def __init__(self, changed: Callable[[str, str], None] | None = None) -> None:
        self.changed = changed
        self.reads: list[tuple[str, str]] = []
        self.writes: list[tuple[str, str]] = []
        self.watched = True
        self._secrets: dict[tuple[str, str], SecretRead] = {}
        self._denied: set[str] = set()
        self._version = 1000

    def put(self, namespace: str, name: str, *, garbled: tuple[str, ...] = (), **data: str) -> None:
        """Create or change a Secret; `garbled` are keys that hold no text."""
        self._version += 1
        texts = {key: SecretText(value) for key, value in data.items()}
        self._secrets[namespace, name] = SecretRead(
            SecretState.FOUND, texts, str(self._version), garbled, uid=f"uid-of-{name}", type="Opaque"
        )
        self._tell(namespace, name)

    def put_as(self, namespace: str, name: str, kind: str, owners: tuple[str, ...], **data: str) -> None:
        """Create or change a Secret of this type with these owners' uids."""
        self.put(namespace, name)
        self.touch(namespace, name, **data)
        found = self._secrets[namespace, name]
        self._secrets[namespace, name] = replace(found, type=kind, owners=owners)

    def touch(self, namespace: str, name: str, **data: str) -> None:
        """Change a Secret in place: other values where some are given, else only its version."""
        self._version += 1
        found = self._secrets[namespace, name]
        texts = {key: SecretText(value) for key, value in data.items()}
        self._secrets[namespace, name] = replace(
            found, data={**found.data, **texts}, resource_version=str(self._version)
        )
        self._tell(namespace, name)

    def drop(self, namespace: str, name: str) -> None:
        del self._secrets[namespace, name]
        self._tell(namespace, name)

    def deny(self, namespace: str) -> None:
        """Take the hub's rights in a namespace away."""
        self._denied.add(namespace)

    def serve(self, namespace: str) -> None:
        self._denied.discard(namespace)

    async def read(self, namespace: str, name: str) -> SecretRead:
        self.reads.append((namespace, name))
        if namespace in self._denied:
            return SecretRead(SecretState.DENIED)
        return self._secrets.get((namespace, name), SecretRead(SecretState.MISSING))

    async def create(self, draft: SecretDraft) -> SecretWrite:
        if draft.namespace in self._denied:
            return SecretWrite(SecretWriteState.DENIED)
        if (draft.namespace, draft.name) in self._secrets:
            return SecretWrite(SecretWriteState.CONFLICT)
        return self._write(draft, f"uid-{self._version + 1}")

    async def replace(self, draft: SecretDraft, *, uid: str, resource_version: str) -> SecretWrite:
        if draft.namespace in self._denied:
            return SecretWrite(SecretWriteState.DENIED)
        found = self._secrets.get((draft.namespace, draft.name))
        if found is None or (found.uid, found.resource_version) != (uid, resource_version):
            return SecretWrite(SecretWriteState.CONFLICT)
        return self._write(draft, uid)

    async def delete(self, namespace: str, name: str, *, uid: str) -> SecretWriteState:
        if namespace in self._denied:
            return SecretWriteState.DENIED
        found = self._secrets.get((namespace, name))
        if found is not None and found.uid == uid:
            self.writes.append((namespace, name))
            self.drop(namespace, name)
        return SecretWriteState.WRITTEN

    async def write_back(
        self, namespace: str, name: str, values: Mapping[str, SecretText], *, uid: str, resource_version: str
    ) -> SecretWrite:
        found = self._secrets.get((namespace, name))
        if found is None or (found.uid, found.resource_version) != (uid, resource_version):
            return SecretWrite(SecretWriteState.CONFLICT)
        self.writes.append((namespace, name))
        self._version += 1
        version = str(self._version)
        self._secrets[namespace, name] = replace(
            found, data={**found.data, **values}, resource_version=version
        )
        self._tell(namespace, name)
        return SecretWrite(SecretWriteState.WRITTEN, version, uid)

    def data(self, namespace: str, name: str) -> dict[str, str] | None:
        """What lies in a Secret, in plain text; None if there is none."""
        found = self._secrets.get((namespace, name))
        return {key: value.reveal() for key, value in found.data.items()} if found is not None else None

    def _write(self, draft: SecretDraft, uid: str) -> SecretWrite:
        self._version += 1
        self.writes.append((draft.namespace, draft.name))
        version = str(self._version)
        self._secrets[draft.namespace, draft.name] = SecretRead(
            SecretState.FOUND,
            dict(draft.data),
            version,
            uid=uid,
            type=draft.type,
            owners=(draft.owner_uid,),
        )
        self._tell(draft.namespace, draft.name)
        return SecretWrite(SecretWriteState.WRITTEN, version, uid)

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        found = self._secrets.get((namespace, name)) if self.service(namespace) is Service.SERVED else None
        return (found.uid, found.resource_version) if found is not None else None

    def service(self, namespace: str) -> Service:
        if not self.watched:
            return Service.PENDING
        return Service.DENIED if namespace in self._denied else Service.SERVED

    def _tell(self, namespace: str, name: str) -> None:
        if self.changed is not None and self.service(namespace) is Service.SERVED:
            self.changed(namespace, name)


class MemoryEgress:
    """ports.Egress whose far end is a function; a request takes `seconds` of the loop's time."""

    def __init__(self, far_end: Callable[[HttpRequest], Answer] | None = None) -> None:
        self.far_end: Callable[[HttpRequest], Answer] = far_end or (lambda _: answer(200, {}))
        self.seconds = 0.0
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> Answer:
        self.requests.append(request)
        await asyncio.sleep(self.seconds)
        return self.far_end(request)

    async def open(
        self, request: HttpRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        raise AssertionError(f"nobody streams here: {request} {body}")


def answer(status: int = 200, body: Any = None, **headers: str) -> HttpResponse:
    """A complete answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, json.dumps(body).encode(), truncated=False, elapsed_seconds=0.12)


def no_answer(failure: Failure, message: str = "the far end is silent") -> HttpFailure:
    return HttpFailure(failure, message, 0.5)


class MemoryEvents:
    """ports.Events that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[EventNote] = []

    def record(self, note: EventNote) -> None:
        self.notes.append(note)

    def reasons(self, name: str) -> list[tuple[str, str]]:
        """`(type, reason)` of the notes about one object, in order."""
        return [(note.type, note.reason) for note in self.notes if note.key.name == name]


class MemoryMetrics:
    """The figures that reconcilers of Integrations keep."""

    def __init__(self) -> None:
        self.ready: dict[tuple[str, str], str] = {}
        self.troubles: dict[tuple[str, str], set[str]] = {}
        self.probes: list[tuple[str, str, str]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.circuits: dict[tuple[str, str], str] = {}
        self.token_requests: list[tuple[str, str]] = []

    def observe_probe(self, kind: str, provider: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.probes.append((kind, provider, outcome))

    def observe_call(
        self, provider: str, purpose: str, outcome: str, seconds: float, *, sent: int, received: int
    ) -> None:
        self.calls.append((provider, purpose, outcome))

    def observe_rate_wait(self, provider: str, seconds: float) -> None:
        assert provider
        assert seconds >= 0

    def set_circuit(self, namespace: str, name: str, state: str) -> None:
        self.circuits[namespace, name] = state

    def drop_circuit(self, namespace: str, name: str) -> None:
        self.circuits.pop((namespace, name), None)

    def count_token_request(self, provider: str, result: str) -> None:
        self.token_requests.append((provider, result))

    def set_ready(self, namespace: str, name: str, status: str) -> None:
        self.ready[namespace, name] = status

    def set_troubles(self, namespace: str, name: str, reasons: Iterable[str]) -> None:
        self.troubles[namespace, name] = set(reasons)

    def drop_ready(self, namespace: str, name: str) -> None:
        self.ready.pop((namespace, name), None)
        self.troubles.pop((namespace, name), None)

    def clear_ready(self) -> None:
        self.ready.clear()
        self.troubles.clear()


def conditions_of(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """A status's conditions as type -> (status, reason)."""
    return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", ())}
