"""Connecting an account, as callers speak of it."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, SecretStr

from integration_hub.api.meta import Timestamp
from integration_hub.gateway.families.models import INSTANCE, Answer, Body, Instance
from integration_hub.operations.connect import ConnectAnswer

_STATE: dict[str, Any] = {"code": "4/0AbCD", "state": "as it was in the authorize URL"}


class ConnectBody(Body):
    """What a new Integration needs besides the account."""

    environment: str = Field(default="PRODUCTION", description="PRODUCTION, SANDBOX or TEST.", max_length=64)
    instance: Instance = Field(
        default="",
        description="Tells several with one provider and environment apart.",
        max_length=63,
        pattern=INSTANCE,
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="What the provider's schema asks for.", max_length=64
    )


class CallbackBody(Body):
    """What the vendor sent a front end."""

    model_config = ConfigDict(json_schema_extra={"example": _STATE})

    state: SecretStr = Field(description="As it came.", min_length=1, max_length=512)
    code: SecretStr | None = Field(default=None, description="As it came.", min_length=1, max_length=4096)
    iss: str = Field(default="", description="Issuer, where the vendor names it.", max_length=2048)
    error: str = Field(default="", description="The vendor's error, in place of a code.", max_length=256)
    error_description: str = Field(
        default="", alias="error_description", description="The same for a person.", max_length=2048
    )


class AuthorizeAnswer(Answer):
    """Where a person goes to connect the account."""

    namespace: str = Field(description="Namespace of the Integration.")
    name: str = Field(description="Name of the Integration's object.")
    authorize_url: str = Field(description="The vendor's page, for this caller's browser alone, once.")
    expires_at: Timestamp = Field(description="Until when it can be used.")

    @classmethod
    def of(cls, answer: ConnectAnswer) -> AuthorizeAnswer:
        return cls(
            namespace=answer.namespace,
            name=answer.name,
            authorize_url=answer.authorize_url,
            expires_at=answer.expires_at,
        )


class ConnectedAnswer(Answer):
    """The account is connected."""

    namespace: str = Field(description="Namespace of the Integration.")
    name: str = Field(description="Name of the Integration's object.")
    connected: bool = Field(description="True.")
    account_id: str | None = Field(description="The vendor's id of the account, where it is known.")


class DisconnectedAnswer(Answer):
    """The account is given back."""

    namespace: str = Field(description="Namespace of the Integration.")
    name: str = Field(description="Name of the Integration's object.")
    connected: bool = Field(description="False.")
    warning: str | None = Field(description="What could not be ended at the vendor; null where all was.")
