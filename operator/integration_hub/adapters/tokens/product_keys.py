"""Products' keys: which registration one belongs to, without asking anybody.

The fingerprints lie in the status of ProductRegistrations, which every replica has in its cache. So a
gateway that does not lead knows a key as soon as the leader has entered it, and goes on knowing it while
the API server is away.
"""

from __future__ import annotations

from integration_hub.api.errors import ErrorCode
from integration_hub.domain import product_key
from integration_hub.ports import Caller, Clock, KnownKey, KnownKeys, Problem, SecretText

_WRONG = {
    "form": "The key is cut off or has letters too many: copy it anew from the product's Secret.",
    "checksum": "The key is mistyped: its checksum does not fit. Copy it anew from the product's Secret.",
}


class ProductKeyAuthenticator:
    """ports.Authenticator for keys alone. A key that has ended is as unknown as one that never was."""

    def __init__(self, known: KnownKeys, clock: Clock) -> None:
        self._known = known
        self._clock = clock

    async def authenticate(self, token: SecretText) -> Caller | Problem:
        text = token.reveal()
        read = product_key.read(text)
        if not isinstance(read, product_key.KeyId):
            return Problem(ErrorCode.UNAUTHENTICATED, _WRONG[read])
        for each in self._known.find(read.id):
            if self._lasts(each) and product_key.matches(each.fingerprint, each.uid, text):
                return _caller(each)
        return Problem(
            ErrorCode.UNAUTHENTICATED,
            "The key is not known, or has ended: take the present one from the product's Secret.",
        )

    def _lasts(self, key: KnownKey) -> bool:
        return key.valid_until is None or self._clock.now() < key.valid_until


def _caller(key: KnownKey) -> Caller:
    """No group, not even that of all who are authenticated: RBAC shall have nothing to say of a product."""
    registration = key.registration
    return Caller(
        f"product:{registration.namespace}/{registration.name}",
        uid=key.uid,
        namespace=registration.namespace,
        kind="product",
        registration=registration.name,
    )
