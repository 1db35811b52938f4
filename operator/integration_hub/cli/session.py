"""What one command was told about where it works, and the connections that it opens only when asked."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from integration_hub.cli.api_server import ApiServer
from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.hub_api import AUDIENCE, HubApi, PortForward, is_exposed
from integration_hub.cli.kubeconfig import Target, load

Json = Any


@dataclass
class Session:
    """One command's surroundings. `format` is json, yaml, name, wide or empty for a table."""

    namespace_given: str = ""
    context: str = ""
    kubeconfig: str = ""
    server: str = ""
    token: str = field(default="", repr=False)
    service_account: str = "default"
    hub_namespace: str = "integration-hub"
    hub_service: str = "enterprise-hub:8000"
    format: str = ""
    _target: Target | None = None
    _api: ApiServer | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = load(self.kubeconfig, self.context)
        return self._target

    @property
    def namespace(self) -> str:
        """The one given, else the context's."""
        return self.namespace_given or self.target.namespace

    @property
    def api(self) -> ApiServer:
        if self._api is None:
            self._api = ApiServer(self.target)
            self._stack.callback(self._api.close)
        return self._api

    def hub(self, *, warn: Any = None) -> HubApi:
        """The hub's HTTP API, authenticated. `warn` is told of a token that would travel in clear."""
        url = self.server or self._forwarded()
        if warn is not None and is_exposed(url):
            warn(f"the token goes to {url} in clear: use https://, or leave --server out")
        hub = HubApi(url, self._bearer(), self.namespace)
        self._stack.callback(hub.close)
        return hub

    def close(self) -> None:
        self._stack.close()

    # ------------------------------------------------------------------ inside

    def _bearer(self) -> str:
        """The token given, else one of the ServiceAccount, made for the hub and for nobody else.

        Never the one by which the user proves themselves to the API server: the hub could act with it.
        """
        if self.token:
            return self.token
        try:
            return self.api.token(self.namespace, self.service_account, AUDIENCE)
        except CliError as error:
            if error.exit_status not in {Exit.DENIED, Exit.NOT_FOUND}:
                raise
            raise CliError(
                f"no token for the hub: {error}; name a ServiceAccount of {self.namespace} with "
                "--service-account, or give a token in INTEGRATION_HUB_TOKEN",
                error.exit_status,
            ) from None

    def _forwarded(self) -> str:
        kubectl = ["kubectl"]
        if self.kubeconfig:
            kubectl += ["--kubeconfig", self.kubeconfig]
        if self.context:
            kubectl += ["--context", self.context]
        service, _, port = self.hub_service.partition(":")
        forward = PortForward(kubectl, self.hub_namespace, service, int(port or 8000))
        self._stack.callback(forward.close)
        return forward.url
