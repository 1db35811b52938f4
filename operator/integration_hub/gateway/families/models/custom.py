"""Custom integrations in 002's shape: templates, deployments."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from integration_hub.api.offerings import Endpoint, Parameter, WebhookEvent
from integration_hub.api.provider import AuthMode, ProbeSpec
from integration_hub.domain.custom import Template, template_of
from integration_hub.gateway.families.models import Answer, Body
from integration_hub.gateway.families.models.observation import CONNECTEDNESS
from integration_hub.gateway.families.models.project import CredentialsBody, ProjectName
from integration_hub.gateway.families.spelling import KEBAB
from integration_hub.operations.find_custom import CustomIntegration
from integration_hub.operations.integration_view import IntegrationView


class ParameterBody(Parameter):
    """A parameter of an endpoint."""

    model_config = ConfigDict(extra="forbid")


class EndpointBody(Endpoint):
    """An endpoint of a template."""

    model_config = ConfigDict(extra="forbid")

    parameters: list[ParameterBody] = Field(  # type: ignore[assignment]
        default_factory=list, max_length=32, description="Parameters, checked before the call."
    )


class WebhookBody(WebhookEvent):
    """An event that the outside system announces."""

    model_config = ConfigDict(extra="forbid")


class TemplateBody(Body):
    """What a custom integration is made of."""

    name: str = Field(description="Name of the outside system.", min_length=1, max_length=128)
    description: str = Field(default="", max_length=2048, description="What it is.")
    type: str = Field(default="custom", max_length=64, description="Kind of system.")
    configuration_schema: dict[str, Any] = Field(
        default_factory=dict, max_length=64, description="Its settings: field map, or JSON Schema."
    )
    credentials_schema: dict[str, Any] = Field(
        default_factory=dict, max_length=64, description="Its credentials, likewise."
    )
    endpoints: list[EndpointBody] = Field(default_factory=list, max_length=64, description="Named calls.")
    webhooks: list[WebhookBody] = Field(
        default_factory=list, max_length=64, description="Events that it announces."
    )
    base_url: str = Field(
        default="",
        max_length=2048,
        description="Root of every call; by default the setting that is called an endpoint or a URL.",
    )
    auth_modes: list[AuthMode] = Field(
        default_factory=list,
        max_length=9,
        description="How calls prove themselves; by default read from credentialsSchema.",
    )
    probe: ProbeSpec | None = Field(
        default=None, description="What shows that it works; by default the first GET that needs no values."
    )

    def template(self) -> Template:
        return Template(
            name=self.name,
            description=self.description,
            type=self.type,
            configuration_schema=self.configuration_schema,
            credentials_schema=self.credentials_schema,
            endpoints=[_written(each) for each in self.endpoints],
            webhooks=[_written(each) for each in self.webhooks],
            base_url=self.base_url,
            auth_modes=[_written(each) for each in self.auth_modes],
            probe=_written(self.probe) if self.probe is not None else None,
        )


def _written(model: BaseModel) -> dict[str, Any]:
    """As its author wrote it: defaults stay unsaid."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


class CreateCustomBody(Body):
    """A custom integration."""

    project_id: str = ProjectName
    name: str = Field(description="Its name, as people know it.", min_length=1, max_length=128)
    description: str = Field(default="", max_length=1024, description="What it is for.")
    template: TemplateBody = Field(description="What it is made of.")


class DeployBody(Body):
    """A project that is to be connected by it."""

    project_id: str = ProjectName
    name: str = Field(default="", max_length=128, description="Another name for this deployment.")
    configuration: dict[str, Any] = Field(
        default_factory=dict, max_length=64, description="Its settings, flat as in register."
    )
    credentials: CredentialsBody | None = Field(default=None, description="Kept in a Secret, never shown.")


class CustomIntegrationAnswer(Answer):
    """A custom integration."""

    id: str = Field(description="uid of the provider object.")
    project_id: str = Field(description="The project that made it.")
    name: str = Field(description="Its name, as people know it.")
    resource_name: str = Field(description="Name of the Kubernetes object.")
    description: str = Field(description="What it is for.")
    template: dict[str, Any] = Field(description="What it is made of.")
    shared_with: list[str] = Field(description='Projects that may use it; "*": all.')
    usable: bool = Field(description="Whether its definition holds together.")
    message: str = Field(description="What is wrong with it; empty if nothing is.")
    created_at: str = Field(description="When it was created, UTC.")

    @classmethod
    def of(cls, found: CustomIntegration) -> CustomIntegrationAnswer:
        template = template_of(found.raw_spec)
        template["type"] = KEBAB.word(template["type"])
        return cls(
            id=found.uid,
            project_id=found.key.namespace,
            name=found.name,
            resource_name=found.key.name,
            description=found.description,
            template=template,
            shared_with=list(found.spec.shared_with),
            usable=not found.problem,
            message=found.problem,
            created_at=found.created,
        )


class CustomAnswered(Answer):
    """One custom integration."""

    custom_integration: CustomIntegrationAnswer = Field(description="It.")


class CustomListed(Answer):
    """A project's own, and those shared with it."""

    custom_integrations: list[CustomIntegrationAnswer] = Field(description="They, by name.")


class DeploymentAnswer(Answer):
    """A project connected by a custom integration."""

    id: str = Field(description="uid of the Integration that was made: the deployment's id.")
    custom_id: str = Field(description="The custom integration.")
    project_id: str = Field(description="The project.")
    name: str = Field(description="Its name, as people know it.")
    resource_name: str = Field(description="Name of the Kubernetes object.")
    status: Literal["connected", "disconnected", "error"] = Field(description="Where it stands.")
    created_at: str = Field(description="When it was created, UTC.")

    @classmethod
    def of(cls, made: IntegrationView) -> DeploymentAnswer:
        return cls.model_validate(
            {
                "id": made.uid,
                "custom_id": made.provider_uid,
                "project_id": made.key.namespace,
                "name": made.name,
                "resource_name": made.key.name,
                "status": CONNECTEDNESS[made.phase],
                "created_at": made.created,
            }
        )


class Deployed(Answer):
    """What a deployment came to."""

    deployment: DeploymentAnswer = Field(description="It.")
