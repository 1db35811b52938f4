"""What reconcilers ask the metadata-only watch of Secrets."""

from __future__ import annotations

from typing import Protocol

from integration_hub.runtime.reflector import Service


class SecretWatch(Protocol):
    """What is known of Secrets without a read; `runtime.reflector.Reflector` is one."""

    def version(self, namespace: str, name: str) -> tuple[str, str] | None:
        """The Secret's uid and resourceVersion; None if there is none or the namespace is not followed."""
        ...

    def service(self, namespace: str) -> Service:
        """Whether the namespace is followed."""
        ...
