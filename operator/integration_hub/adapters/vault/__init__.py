"""HashiCorp Vault and OpenBao: a place where users keep credentials, read over HTTP with the hub's own token.

API: https://developer.hashicorp.com/vault/api-docs, https://openbao.org/api-docs.
"""

from __future__ import annotations

from integration_hub.adapters.vault.login import AppRoleLogin, KubernetesLogin, Login, TokenFile
from integration_hub.adapters.vault.session import VaultSession
from integration_hub.adapters.vault.source import NoVault, VaultSource
from integration_hub.adapters.vault.wire import VaultServer, VaultWire

__all__ = [
    "AppRoleLogin",
    "KubernetesLogin",
    "Login",
    "NoVault",
    "TokenFile",
    "VaultServer",
    "VaultSession",
    "VaultSource",
    "VaultWire",
]
