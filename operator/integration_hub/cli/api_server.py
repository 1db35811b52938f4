"""The API server as the command line uses it: with the user's own rights, by plain JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from integration_hub.cli.exits import CliError, Exit
from integration_hub.cli.kubeconfig import Target
from integration_hub.cli.wire import Answer, Peer, Wire, basic

Json = Any
GROUP_PATH = "/apis/integrationhub.io/v1alpha1"
INTEGRATIONS = "integrations"
PROVIDERS = "clusterintegrationproviders"
OWN_PROVIDERS = "integrationproviders"
PRODUCTS = "productregistrations"
FIELD_MANAGER = "kubectl-hub"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_WATCH_SECONDS = 60.0


def resource_path(plural: str, namespace: str = "", name: str = "") -> str:
    """Path of one of our kinds: an object, or all of a namespace, or all there are."""
    scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{GROUP_PATH}{scope}/{plural}" + (f"/{quote(name, safe='')}" if name else "")


class ApiServer:
    """Requests to one API server. Raises CliError, in words that say what to do."""

    def __init__(self, target: Target) -> None:
        identity = target.identity()
        headers = {}
        if identity.token:
            headers["Authorization"] = f"Bearer {identity.token}"
        elif identity.username:
            headers["Authorization"] = basic(identity.username, identity.password)
        self._wire = Wire(
            Peer(
                target.server,
                "the API server",
                headers,
                authority=target.authority,
                server_name=target.server_name,
                insecure=target.insecure,
                certificate=identity.certificate,
                key=identity.key,
                proxy=target.proxy,
            )
        )

    def get(self, path: str) -> Json:
        return self._asked("GET", path)

    def table(self, path: str) -> Json:
        """What `kubectl get` shows: the API server makes the columns. A list comes as one table."""
        return self._asked("GET", path, headers={"Accept": _TABLE})

    def find(self, path: str) -> Json | None:
        """As `get`, None where there is no such object."""
        try:
            return self.get(path)
        except CliError as error:
            if error.exit_status is Exit.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Json) -> Json:
        return self._asked("POST", f"{path}?fieldManager={FIELD_MANAGER}", body)

    def merge(self, path: str, body: Json) -> Json:
        """A JSON merge patch (RFC 7396)."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._asked("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", body, headers)

    def delete(self, path: str) -> Json:
        return self._asked("DELETE", path)

    def wait(self, path: str, settled: Callable[[Json], bool], *, seconds: float, what: str) -> Json:
        """The object once `settled` says so, by watching it. Raises CliError when time is up."""
        collection, _, name = path.rpartition("/")
        ends = time.monotonic() + seconds
        while True:
            found = self.get(path)
            if settled(found):
                return found
            left = ends - time.monotonic()
            if left <= 0:
                raise CliError(f"{what}: not within {seconds:g} s", Exit.TIMED_OUT)
            query = {
                "watch": "true",
                "fieldSelector": f"metadata.name={name}",
                "resourceVersion": found["metadata"]["resourceVersion"],
                "timeoutSeconds": str(max(1, int(min(left, _WATCH_SECONDS)))),
            }
            began = time.monotonic()
            for event in self._watched(f"{collection}?{urlencode(query)}", min(left, _WATCH_SECONDS) + 1):
                if event.get("type") in {"ADDED", "MODIFIED"} and settled(event["object"]):
                    return dict(event["object"])
                if event.get("type") in {"DELETED", "ERROR"}:
                    break
                if time.monotonic() >= ends:
                    break
            if time.monotonic() - began < 1.0:
                time.sleep(min(1.0, max(0.0, ends - time.monotonic())))

    def token(self, namespace: str, account: str, audience: str, seconds: int = 3600) -> str:
        """A token of a ServiceAccount for one audience (TokenRequest). Raises CliError."""
        path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(account)}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": seconds},
        }
        return str(self.create(path, body)["status"]["token"])

    def close(self) -> None:
        self._wire.close()

    # ------------------------------------------------------------------ inside

    def _asked(
        self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        content = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json"} if content is not None else {}
        answer = self._wire.send(method, path, body=content, headers={**typed, **(headers or {})})
        if answer.status >= 300:
            raise refusal(answer)
        return answer.document("the API server")

    def _watched(self, path: str, seconds: float) -> Iterator[Json]:
        with self._wire.lines(path, seconds=seconds) as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    return


def refusal(answer: Answer) -> CliError:
    """The API server's own words, with what to do about them."""
    told = answer.json()
    message = str(told.get("message") or "") if isinstance(told, dict) else ""
    message = message or f"HTTP {answer.status}"
    if answer.status == 401:
        return CliError(
            "the API server does not know you: log in again, or choose another context with --context",
            Exit.DENIED,
        )
    if answer.status == 403:
        return CliError(f"{message}; ask for a role that allows it", Exit.DENIED)
    if answer.status == 404:
        if message == "the server could not find the requested resource" or "404 page" in message:
            return CliError(
                "this cluster does not have the hub's kinds: install the chart first", Exit.NOT_FOUND
            )
        return CliError(message, Exit.NOT_FOUND)
    return CliError(f"the API server refused: {message}", Exit.FAILED)
