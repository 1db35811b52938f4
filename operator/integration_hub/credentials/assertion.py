"""Signed statements (JWT, RFC 7519): of a connection for a token, of a client at a token endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from integration_hub.ports import Json, SecretText

_KEY_TYPES: Mapping[str, Literal["RSA", "EC", "oct"]] = {"RS": "RSA", "PS": "RSA", "ES": "EC", "HS": "oct"}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Why nothing could be signed; never shows the key."""

    message: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed with which key. `exp` counts from now; `iat` may lie `backdate_seconds` before it."""

    claims: Mapping[str, Json]
    algorithm: str
    lifetime_seconds: int
    key_id: str = ""
    backdate_seconds: int = 0


def sign(statement: Statement, key: SecretText, *, now: datetime, unique: str) -> SecretText | Unsigned:
    """A compact JWT with `iat`, `exp` and `jti` added. `key`: PEM; for HS256 and HS512 the secret itself."""
    kind = _KEY_TYPES[statement.algorithm[:2]]
    # A PEM that went through an environment variable or a JSON document by hand has its line breaks escaped.
    text = key.reveal() if kind == "oct" else key.reveal().replace("\\n", "\n")
    try:
        imported = jwk.import_key(text, kind)
    except (ValueError, TypeError, JoseError):
        return Unsigned(f"it is no private key in PEM that {statement.algorithm} can sign with")
    issued = int(now.timestamp())
    header = {"alg": statement.algorithm, **({"kid": statement.key_id} if statement.key_id else {})}
    times = {
        "iat": issued - statement.backdate_seconds,
        "exp": issued + statement.lifetime_seconds,
        "jti": unique,
    }
    try:
        return SecretText(
            jwt.encode(header, {**times, **statement.claims}, imported, algorithms=[statement.algorithm])
        )
    except (ValueError, TypeError, JoseError):
        return Unsigned(f"{statement.algorithm} cannot sign with it: it is public, or of another kind")
