"""Clients that register themselves (RFC 7591), where a vendor lets them: one for each Integration.

What comes of it lies in the Integration's own Secret, beside what was given over HTTP, and serves from then
on like a client that a person had registered.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from integration_hub.api.reasons import Reason
from integration_hub.credentials.client import OAuthClient
from integration_hub.credentials.oauth_endpoint import OAuthEndpoint, not_askable, oauth_of
from integration_hub.credentials.owned_secret import OwnedBook, Owner
from integration_hub.credentials.reading import Reading
from integration_hub.domain.conditions import clip
from integration_hub.domain.json_text import decoded
from integration_hub.ports import CredentialProblem, HttpResponse, Link, SecretText
from integration_hub.providers import token_request
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.secret_values import CLIENT_ID, CLIENT_SECRET
from integration_hub.providers.token_request import Setting

CLIENT_NAME = "Integration Hub"
_CONTROL = re.compile(r"[^\x20-\x7e]+")
_METHODS = {"basic": "client_secret_basic", "body": "client_secret_post", "none": "none"}


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers a client and stores it before it is used."""

    endpoint: OAuthEndpoint
    book: OwnedBook
    reading: Reading

    async def register(self, link: Link, redirect_uri: str) -> OAuthClient | CredentialProblem | None:
        """A client for this connection; None where the vendor lets nobody register."""
        oauth = oauth_of(link)
        method = _METHODS.get(oauth.client_authentication)
        if not oauth.registration_url or method is None:
            return None
        setting = replace(
            Setting.of(link, {}, self.endpoint.expressions, self.endpoint.timeout_seconds),
            hosts=(),  # nothing secret goes there
        )
        address = setting.address(oauth.registration_url)
        if isinstance(address, RequestProblem):
            return not_askable(address)
        asked = {
            "client_name": CLIENT_NAME,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "scope": " ".join(oauth.scopes),
        }
        made = token_request.post(address, {}, setting, encoding="json")
        if isinstance(made, RequestProblem):
            return not_askable(made)
        body = json.dumps({name: value for name, value in asked.items() if value}).encode()
        answer = await self.endpoint.egress.send(replace(made, body=body))
        if not isinstance(answer, HttpResponse):
            return CredentialProblem(Reason.OAUTH_CLIENT_MISSING, answer.message, lasting=False)
        client = _client(answer)
        return client if isinstance(client, CredentialProblem) else await self._kept(link, client)

    async def _kept(self, link: Link, client: OAuthClient) -> OAuthClient | CredentialProblem:
        values = {CLIENT_ID: SecretText(client.id)}
        if client.secret is not None:
            values[CLIENT_SECRET] = client.secret
        done = await self.book.change(
            Owner.of(link), lambda kept: replace(kept, given={**kept.given, **values})
        )
        self.reading.changed(link.uid)
        return done if isinstance(done, CredentialProblem) else client


def _client(answer: HttpResponse) -> OAuthClient | CredentialProblem:
    document = decoded(answer.body)
    body = document if isinstance(document, dict) else {}
    client_id, secret = body.get("client_id"), body.get("client_secret")
    if answer.status >= 300 or not isinstance(client_id, str) or not client_id:
        said = ": ".join(str(body[name]) for name in ("error", "error_description") if body.get(name))
        return CredentialProblem(
            Reason.OAUTH_CLIENT_MISSING,
            f"The vendor registers no client (status {answer.status}{': ' if said else ''}"
            f"{clip(_CONTROL.sub(' ', said), 200)}).",
            lasting=answer.status < 500,
        )
    return OAuthClient(client_id, SecretText(secret) if isinstance(secret, str) and secret else None)
