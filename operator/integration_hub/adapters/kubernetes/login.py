"""Where the API server is and who we are there: in-cluster ServiceAccount or kubeconfig, kept fresh."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from integration_hub.ports import Clock, PortError

_REFRESH_SECONDS = 60.0
"""Projected ServiceAccount tokens are replaced at 80 % of their life, at least 2 minutes before their end."""


class LoginError(PortError):
    """No usable kubeconfig or ServiceAccount; the message names what was looked for."""


class _Source(Protocol):
    async def load(self, configuration: Any) -> None:
        """Write address, trust and credentials into the client's configuration, read anew."""
        ...


class _ServiceAccount:
    """The pod's own account: environment variables and the projected volume."""

    async def load(self, configuration: Any) -> None:
        InClusterConfigLoader(  # type: ignore[no-untyped-call]
            token_filename=SERVICE_TOKEN_FILENAME,
            cert_filename=SERVICE_CERT_FILENAME,
            try_refresh_token=False,  # the Login decides when
        ).load_and_set(configuration)


class _Kubeconfig:
    """One context of a kubeconfig. Loading again re-reads token files and asks credential plugins anew."""

    def __init__(self, path: str, context: str | None) -> None:
        self._path = path
        self._context = context
        self._loader: Any = None

    async def load(self, configuration: Any) -> None:
        if self._loader is None:
            self._loader = await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self._path,
                context=self._context,
                client_configuration=configuration,
                persist_config=False,  # the user's file is not ours to write
            )
        else:
            await self._loader.load_and_set(configuration)


class Login:
    """The client's configuration with credentials that are re-read every minute, and at once on a 401."""

    def __init__(self, source: _Source, configuration: Any, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._refreshing = asyncio.Lock()
        self._refresh_at = clock.monotonic() + _REFRESH_SECONDS
        self.configuration = configuration

    @classmethod
    async def open(cls, *, kubeconfig: Path | None, context: str | None, clock: Clock) -> Login:
        """Find the way in: the named kubeconfig or context, else in-cluster, else the user's default.

        Raises LoginError.
        """
        source = _choose(kubeconfig, context)
        # No limit on connections: the request budget and the workers bound what is in flight, and
        # each metadata watch holds one for good.
        configuration = Configuration(connection_pool_maxsize=0)
        login = cls(source, configuration, clock)
        await login._load()
        return login

    @property
    def authorization(self) -> str:
        """The value of the Authorization header; empty where a client certificate speaks for us."""
        token: str = self.configuration.api_key.get("BearerToken", "")
        return token.strip()

    @property
    def stale(self) -> bool:
        return self._clock.monotonic() >= self._refresh_at

    async def refresh(self, *, unless_changed_from: str | None = None) -> None:
        """Read the credentials anew; one reader at a time, the others wait for its result.

        After a 401 the caller names the header it had used: if that is not the present one any more,
        somebody has refreshed already. A source that is unreadable for now leaves the old credentials.
        """
        async with self._refreshing:
            if unless_changed_from is None:
                if not self.stale:
                    return
            elif self.authorization != unless_changed_from:
                return
            self._refresh_at = self._clock.monotonic() + _REFRESH_SECONDS
            try:
                await self._load()
            except LoginError:
                # A volume is being swapped, or a plugin has no network: the next minute tries again.
                return

    async def _load(self) -> None:
        try:
            await self._source.load(self.configuration)
        except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            # The loader raises TypeError and KeyError for files that are YAML but no kubeconfig.
            raise LoginError(f"cannot log in to Kubernetes: {error}") from error


def _choose(kubeconfig: Path | None, context: str | None) -> _Source:
    if kubeconfig is None and context is None and os.environ.get(SERVICE_HOST_ENV_NAME):
        return _ServiceAccount()
    paths = (
        str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    )
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise LoginError(
            f"no kubeconfig at {paths} and not in a pod: set KUBECONFIG or --kubeconfig, or run in a cluster"
        )
    return _Kubeconfig(paths, context)
