"""The login in the shape that the feed wants: kopf brings its own HTTP client."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from integration_hub.adapters.kubernetes.login import Login
from integration_hub.ports import ApiAccess, Clock, SecretText


class FeedLogin:
    """ports.ApiLogin over the same Login that the client uses, or one of its own."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._tls: ssl.SSLContext | None = None

    @classmethod
    async def open(cls, clock: Clock, *, kubeconfig: Path | None = None, context: str | None = None) -> Self:
        """Log in (see Login.open). Raises LoginError."""
        return cls(await Login.open(kubeconfig=kubeconfig, context=context, clock=clock))

    async def access(self, *, refused: SecretText | None = None) -> ApiAccess:
        """See ports.ApiLogin."""
        if refused is not None:
            await self._login.refresh(unless_changed_from=refused.reveal())
        elif self._login.stale:
            await self._login.refresh()
        configuration = self._login.configuration
        if self._tls is None or refused is not None:
            self._tls = _tls(configuration)  # a refused client certificate may have been replaced as well
        return ApiAccess(
            server=configuration.host.rstrip("/"),
            authorization=SecretText(self._login.authorization),
            tls=self._tls,
            tls_server_name=configuration.tls_server_name or "",
            proxy=configuration.proxy or "",
        )


def _tls(configuration: object) -> ssl.SSLContext:
    settings = vars(configuration)
    tls = ssl.create_default_context(cafile=settings["ssl_ca_cert"], cadata=settings["ca_cert_data"])
    if settings["cert_file"]:
        tls.load_cert_chain(settings["cert_file"], keyfile=settings["key_file"])
    if not settings["verify_ssl"]:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
