"""Everything that a caller can ask for, over the ports it needs: real ones here, ones in memory in tests."""

from __future__ import annotations

from dataclasses import dataclass

from integration_hub.gateway.parts import Operations
from integration_hub.operations.admission import Admission
from integration_hub.operations.audit import ReadAudit
from integration_hub.operations.batch import ExecuteBatch
from integration_hub.operations.change_integration import ChangeIntegration
from integration_hub.operations.connect_provider import ConnectProvider
from integration_hub.operations.create_custom import CreateCustom
from integration_hub.operations.create_integration import CreateIntegration
from integration_hub.operations.delete_integration import DeleteIntegration
from integration_hub.operations.deploy_custom import DeployCustom
from integration_hub.operations.execute import Execute
from integration_hub.operations.find_custom import FindCustom
from integration_hub.operations.find_integrations import FindIntegrations
from integration_hub.operations.forget_answers import ForgetAnswers
from integration_hub.operations.health import ReadHealth
from integration_hub.operations.integration_draft import Judge
from integration_hub.operations.integration_writer import IntegrationWriter
from integration_hub.operations.integrations import Integrations
from integration_hub.operations.logs import ReadLogs
from integration_hub.operations.metrics import ReadMetrics
from integration_hub.operations.one_call import OneCall
from integration_hub.operations.product_scope import ProductScope
from integration_hub.operations.product_status import ReadProductStatus
from integration_hub.operations.products import Products
from integration_hub.operations.provider import Providers
from integration_hub.operations.registration import Registration
from integration_hub.operations.statistics import ReadStatistics
from integration_hub.operations.stream import ExecuteStream
from integration_hub.operations.try_connection import TryConnection
from integration_hub.operations.widget import ReadWidget
from integration_hub.ports import (
    Authorizer,
    Calls,
    Clock,
    Cluster,
    CredentialIntake,
    Entropy,
    Expressions,
    Store,
)
from integration_hub.providers.linking import Linker
from integration_hub.providers.reading import ProviderReader
from integration_hub.runtime.cache import ObjectCache
from integration_hub.wiring.connecting import Connecting, build_connecting
from integration_hub.wiring.credentials import CredentialRoom


@dataclass(frozen=True, slots=True)
class OperationPorts:
    """What operations stand on. `cluster` writes for callers, and is not gated by leadership."""

    cache: ObjectCache
    cluster: Cluster
    authorizer: Authorizer
    reader: ProviderReader
    linker: Linker
    calls: Calls
    credentials: CredentialRoom
    intake: CredentialIntake
    public_url: str
    store: Store
    expressions: Expressions
    clock: Clock
    entropy: Entropy


def build_operations(ports: OperationPorts) -> Operations:
    """Nothing is asked for yet."""
    cache, cluster, store, clock = ports.cache, ports.cluster, ports.store, ports.clock
    calls, expressions, linker = ports.calls, ports.expressions, ports.linker
    admission = Admission(ProductScope(ports.authorizer), store, clock)
    integrations = Integrations(cache, admission, linker)
    providers = Providers(cache, ports.reader, admission)
    one_call = OneCall(calls, expressions)
    health = ReadHealth(integrations, admission, store, clock)
    finder = FindIntegrations(integrations, admission, ports.reader)
    judge = Judge(providers, linker)
    writer = IntegrationWriter(cluster, cache, ports.intake)
    create = _create(ports, admission, judge, writer, finder)
    change = ChangeIntegration(integrations, judge, writer, finder)
    customs = FindCustom(cache, ports.reader, admission)
    connecting = _connecting(ports, integrations)
    return Operations(
        providers=providers,
        find=finder,
        create=create,
        change=change,
        delete=DeleteIntegration(integrations, writer),
        registration=Registration(integrations, providers, ports.reader, create, change),
        create_custom=CreateCustom(
            admission=admission, finder=customs, cluster=cluster, cache=cache, expressions=expressions
        ),
        find_custom=customs,
        deploy_custom=DeployCustom(
            admission=admission, finder=customs, create=create, cluster=cluster, cache=cache
        ),
        try_connection=_try_connection(ports, integrations, health),
        connect=connecting.connect,
        connect_provider=ConnectProvider(providers, integrations, create, connecting.connect),
        callback=connecting.callback,
        disconnect=connecting.disconnect,
        execute=Execute(integrations, one_call),
        batch=ExecuteBatch(integrations, one_call, calls, expressions, clock),
        stream=ExecuteStream(integrations, calls),
        widget=ReadWidget(integrations, calls, expressions),
        forget_answers=ForgetAnswers(integrations, calls),
        health=health,
        metrics=ReadMetrics(integrations, store, clock),
        logs=ReadLogs(integrations, store),
        statistics=ReadStatistics(integrations, admission, ports.reader, store, clock),
        audit=ReadAudit(admission, store),
        product_status=ReadProductStatus(Products(cache, admission)),
    )


def _create(
    ports: OperationPorts,
    admission: Admission,
    judge: Judge,
    writer: IntegrationWriter,
    finder: FindIntegrations,
) -> CreateIntegration:
    return CreateIntegration(
        admission=admission,
        judge=judge,
        writer=writer,
        finder=finder,
        cache=ports.cache,
        locks=ports.store,
        entropy=ports.entropy,
    )


def _connecting(ports: OperationPorts, integrations: Integrations) -> Connecting:
    return build_connecting(
        integrations,
        ports.linker,
        ports.credentials,
        store=ports.store,
        expressions=ports.expressions,
        clock=ports.clock,
        public_url=ports.public_url,
    )


def _try_connection(ports: OperationPorts, integrations: Integrations, health: ReadHealth) -> TryConnection:
    return TryConnection(
        integrations=integrations,
        linker=ports.linker,
        calls=ports.calls,
        expressions=ports.expressions,
        health=ports.store,
        reports=health,
        wakeups=ports.store,
        clock=ports.clock,
    )
