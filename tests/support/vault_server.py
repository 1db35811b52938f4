"""HashiCorp Vault, a server nobody here wrote: initialised, with a key/value mount and ways to log in."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
import yaml

from child_server import child_server
from servers import locate

if TYPE_CHECKING:
    from controlplane import ControlPlane

MOUNT = "secret"
ROLE = "integration-hub"
AUDIENCE = "vault"


class VaultRefusedError(AssertionError):
    """Vault answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


@dataclass
class Vault:
    """A running server. `ca` is the PEM file of who signed its certificate, `root` its first token."""

    base: str
    ca: Path
    root: str
    key: str

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Ask it, as root if nobody else. Raises VaultRefusedError."""
        return _ask(self.base, self.ca, method, path, body, self.root if token is None else token)

    def write(self, path: str, **fields: Any) -> None:
        """A new version of a secret of the mount, such as `team-a/slack`."""
        self.api("POST", f"{MOUNT}/data/{path}", {"data": fields})

    def delete(self, path: str) -> None:
        """Delete its latest version, as `vault kv delete` does."""
        self.api("DELETE", f"{MOUNT}/data/{path}")

    def seal(self) -> None:
        self.api("PUT", "sys/seal")

    def unseal(self) -> None:
        self.api("PUT", "sys/unseal", {"key": self.key}, token="")

    def policy(self, *rules: str) -> None:
        """What the role ROLE may do, such as `path "secret/data/*" { capabilities = ["read"] }`."""
        self.api("PUT", f"sys/policies/acl/{ROLE}", {"policy": "\n".join(rules)})

    def revoke_logins(self, method: str) -> None:
        """End every token that this auth method gave out, as an operator does after an incident."""
        self.api("PUT", f"sys/leases/revoke-prefix/auth/{method}/login")

    def logins(self, method: str) -> int:
        """How many tokens of this auth method there are."""
        try:
            found = self.api("LIST", f"sys/leases/lookup/auth/{method}/login")
        except VaultRefusedError as error:
            if error.status == 404:
                return 0
            raise
        return len(found["data"]["keys"])

    # ------------------------------------------------------------------ ways to log in

    def trust_cluster(self, plane: ControlPlane, namespace: str, account: str, *, ttl: str) -> None:
        """Auth method `kubernetes`: the API server is asked whether a token is this ServiceAccount's."""
        cluster = yaml.safe_load(plane.kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        reviewer = f"vault-{uuid.uuid4().hex[:8]}"
        plane.kubectl("create", "serviceaccount", reviewer, "-n", namespace)
        plane.kubectl(
            "create", "clusterrolebinding", reviewer, "--clusterrole=system:auth-delegator",
            f"--serviceaccount={namespace}:{reviewer}",
        )  # fmt: skip
        self.api("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        self.api(
            "POST",
            "auth/kubernetes/config",
            {
                "kubernetes_host": cluster["server"],
                "kubernetes_ca_cert": authority,
                "token_reviewer_jwt": plane.service_account_token(namespace, reviewer),
                "disable_local_ca_jwt": True,
            },
        )
        self.api(
            "POST",
            f"auth/kubernetes/role/{ROLE}",
            {
                "bound_service_account_names": [account],
                "bound_service_account_namespaces": [namespace],
                "audience": AUDIENCE,
                "token_policies": [ROLE],
                "token_ttl": ttl,
            },
        )

    def approle(self, *, ttl: str, uses: int = 0) -> tuple[str, str]:
        """Auth method `approle`: a role_id and a secret_id that is good `uses` times, or for ever."""
        self.api("POST", "sys/auth/approle", {"type": "approle"})
        role = {"token_policies": [ROLE], "token_ttl": ttl, "secret_id_num_uses": uses}
        self.api("POST", f"auth/approle/role/{ROLE}", role)
        role_id = self.api("GET", f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"]
        secret_id = self.api("POST", f"auth/approle/role/{ROLE}/secret-id", {})["data"]["secret_id"]
        return role_id, secret_id

    def token(self, *policies: str, ttl: str = "1h") -> str:
        """A token of its own, such as Vault Agent would put into a file."""
        made = self.api("POST", "auth/token/create", {"policies": [*policies], "ttl": ttl})
        return str(made["auth"]["client_token"])


@contextlib.contextmanager
def vault_server(folder: Path) -> Iterator[Vault]:
    """Start it over TLS, unsealed, with the key/value engine version 2 at MOUNT."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    ca, certificate, key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    authority.cert_pem.write_to_path(ca)
    _write_all(certificate, issued.cert_chain_pems)
    issued.private_key_pem.write_to_path(key)

    def command(port: int) -> list[str | Path]:
        return [
            locate("vault"), "-address", f"127.0.0.1:{port}", "-certificate", certificate, "-key", key,
        ]  # fmt: skip

    with child_server(command, ready="/", folder=folder) as port:
        base = f"https://127.0.0.1:{port}"
        made = _ask(base, ca, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, "")
        vault = Vault(base, ca, made["root_token"], made["keys_base64"][0])
        vault.unseal()
        vault.api("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
        vault.policy(f'path "{MOUNT}/data/*" {{ capabilities = ["read"] }}')
        yield vault


def _write_all(file: Path, blobs: Sequence[trustme.Blob]) -> None:
    file.write_bytes(b"".join(blob.bytes() for blob in blobs))


def _ask(base: str, ca: Path, method: str, path: str, body: Any, token: str) -> Any:
    request = urllib.request.Request(
        f"{base}/v1/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"X-Vault-Token": token} if token else {},
    )
    try:
        with urllib.request.urlopen(
            request, context=ssl.create_default_context(cafile=str(ca)), timeout=30
        ) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise VaultRefusedError(error.code, error.read().decode()) from None
    return json.loads(text) if text else None
