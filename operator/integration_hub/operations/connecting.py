"""What connecting an account needs at both of its ends: the state that joins them, and where it leads.

A state is 256 random bits, good once and for ten minutes. The store has it only as a hash, bound to the
Integration's uid, the provider, the exact redirect address, who asked and, where there is one, the browser's
session. The PKCE verifier that is kept with it is sealed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from urllib.parse import quote

from integration_hub.api.authentication import AuthType
from integration_hub.api.errors import ErrorCode
from integration_hub.api.integration import INTEGRATION
from integration_hub.credentials.seal import Opened, Place, Seal
from integration_hub.domain.call_problem import code_of
from integration_hub.ports import Clock, CredentialProblem, Link, OneTime, Problem, SecretText, StoreError

CONNECT = "connect"
"""The virtual subresource that lets somebody connect an account, and disconnect it (verb create)."""
STATE_LIFE = timedelta(minutes=10)
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Journey:
    """What is remembered between sending somebody away and their coming back."""

    namespace: str
    name: str
    uid: str
    provider_uid: str
    slug: str
    redirect_uri: str
    issuer: str
    user: str
    session: str
    verifier: str = field(repr=False)


class Journeys:
    """Begins and ends journeys. `public_url` is where browsers reach the hub."""

    def __init__(self, one_time: OneTime, seal: Seal, clock: Clock, public_url: str) -> None:
        self._one_time = one_time
        self._seal = seal
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    @property
    def ready(self) -> bool:
        """Whether anybody could come back."""
        return bool(self._public_url)

    def redirect_uri(self, slug: str) -> str:
        """The exact address that is registered with the vendor."""
        return f"{self._public_url}/oauth/callback/{quote(slug, safe='')}"

    async def begin(self, journey: Journey) -> SecretText | Problem:
        """A fresh state that stands for this journey."""
        state = secrets.token_urlsafe(_RANDOM_BYTES)
        digest = _digest(state)
        sealed = self._seal.seal(json.dumps(asdict(journey)), _place(digest))
        try:
            await self._one_time.put_once(digest, sealed, self._clock.now() + STATE_LIFE)
        except StoreError:
            return Problem(ErrorCode.NOT_READY, "The hub's store cannot be used now; try again shortly.")
        return SecretText(state)

    async def end(self, state: SecretText) -> Journey | Problem:
        """The journey that this state stands for, once."""
        digest = _digest(state.reveal())
        try:
            kept = await self._one_time.take_once(digest, self._clock.now())
        except StoreError:
            return Problem(ErrorCode.NOT_READY, "The hub's store cannot be used now; try again shortly.")
        opened = self._seal.open(kept, _place(digest)) if kept is not None else None
        if not isinstance(opened, Opened):
            return Problem(
                ErrorCode.INVALID_REQUEST,
                "This way back was used before, has expired, or is not the hub's: start connecting again.",
            )
        return Journey(**json.loads(opened.value))


def new_verifier() -> SecretText:
    """RFC 7636 section 4.1."""
    return SecretText(secrets.token_urlsafe(_RANDOM_BYTES))


def challenge_of(verifier: SecretText) -> str:
    """S256, RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def session_mark(session: SecretText | None) -> str:
    """What a browser's session is remembered by; empty for none."""
    return _digest(session.reveal()) if session else ""


def same(one: str, other: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def needs_a_person(link: Link) -> Problem | None:
    """None if this connection is made by somebody's consent at the vendor."""
    oauth = link.provider.oauth
    if link.mode.type is AuthType.OAUTH2 and oauth is not None and oauth.authorize_url:
        return None
    return Problem(
        ErrorCode.INVALID_CONFIGURATION,
        f"Integration {link.key.name} is of mode {link.mode.type.value}: it takes no person's consent.",
    )


def problem_of(found: CredentialProblem) -> Problem:
    """What a caller is told of trouble with credentials."""
    return Problem(code_of(found.reason), found.message, found.retry_after)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _place(digest: str) -> Place:
    return Place("", INTEGRATION.kind, digest, "state")
