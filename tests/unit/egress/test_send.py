"""The guard in front of the wire: what is refused, what is pinned, what is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any, Literal

import pytest
from structlog.testing import capture_logs

from integration_hub.domain.address import AddressPolicy, AllowList, range_name
from integration_hub.egress.request_log import AGAIN_SECONDS, RequestLog
from integration_hub.egress.send import EgressLimits, GuardedEgress
from integration_hub.ports import (
    Destination,
    Failure,
    HttpFailure,
    HttpRequest,
    HttpResponse,
    HttpStream,
    PinnedRequest,
    Resolution,
)


@dataclass
class Names:
    """A resolver in memory. Each look-up takes the next answer; the last one stays."""

    answers: Mapping[str, Sequence[Resolution]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, *, timeout_seconds: float) -> Resolution | HttpFailure:
        assert timeout_seconds > 0
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            return HttpFailure(Failure.DNS, f"the name {host} cannot be resolved")
        return answers[min(self.asked.count(host), len(answers)) - 1]


@dataclass
class Wire:
    """A transport in memory. Answers 200 at once, or waits until told."""

    sent: list[PinnedRequest] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def exchange(self, request: PinnedRequest) -> HttpResponse | HttpFailure:
        self.sent.append(request)
        if self.gate is not None:
            await self.gate.wait()
        return HttpResponse(200, {}, b"ok", False, 0.0)

    async def open(
        self, request: PinnedRequest, body: AsyncIterable[bytes] | None = None
    ) -> HttpStream | HttpFailure:
        raise AssertionError("nothing is streamed here")


PUBLIC = "93.184.215.14"


def names(**hosts: Sequence[str]) -> Names:
    return Names({host.replace("_", "."): [Resolution(tuple(found))] for host, found in hosts.items()})


def egress(resolver: Names, *, allow: Sequence[str] = (), **more: Any) -> tuple[GuardedEgress, Wire]:
    wire = more.pop("wire", None) or Wire()
    allow_list = AllowList.parse(allow)
    assert isinstance(allow_list, AllowList)
    policy = AddressPolicy(
        allow_list, deny=more.pop("deny", ()), protected=more.pop("protected", frozenset())
    )
    return GuardedEgress(wire, resolver, policy, **more), wire


def request(
    url: str, trust: Literal["tenant", "product"] = "tenant", namespace: str = "demo", **more: Any
) -> HttpRequest:
    return HttpRequest("GET", url, Destination(trust, namespace), **more)


async def refusal(guard: GuardedEgress, ask: HttpRequest) -> HttpFailure:
    outcome = await guard.send(ask)
    assert isinstance(outcome, HttpFailure), outcome
    return outcome


async def test_a_public_host_is_pinned_to_the_address_that_was_checked() -> None:
    guard, wire = egress(names(api_example_com=[PUBLIC]))
    outcome = await guard.send(
        request("https://API.example.com:8443/v1?k=v", headers={"X-A": "b"}, body=b"x")
    )
    assert isinstance(outcome, HttpResponse)
    (sent,) = wire.sent
    assert (sent.scheme, sent.host, sent.authority, sent.port) == (
        "https",
        "api.example.com",
        "api.example.com:8443",
        8443,
    )
    assert (sent.path, sent.addresses, sent.headers, sent.body) == ("/v1?k=v", (PUBLIC,), {"X-A": "b"}, b"x")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        [PUBLIC, "169.254.169.254"],
        ["169.254.169.254", PUBLIC],
        [PUBLIC, "fe80::1%eth0"],
        [PUBLIC, "not an address"],
    ],
    ids=str,
)
async def test_one_closed_answer_refuses_the_name(addresses: list[str]) -> None:
    guard, wire = egress(names(api_example_com=addresses))
    outcome = await refusal(guard, request("https://api.example.com/"))
    assert outcome.failure is Failure.BLOCKED
    assert outcome.message == (
        "api.example.com leads to an address that is closed; an administrator may open it by adding its "
        "address with port 443 to the egress allow-list"
    ), "whoever chose the name learns neither the address nor its kind"
    assert outcome.inside.partition(": ")[0] in addresses
    assert outcome.inside not in repr(outcome)
    assert wire.sent == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://[64:ff9b::7f00:1]/",
    ],
)
async def test_an_address_in_the_url_is_checked_as_well(url: str) -> None:
    resolver = names()
    guard, wire = egress(resolver)
    outcome = await refusal(guard, request(url))
    assert outcome.failure is Failure.BLOCKED
    address = ip_address(url[8:-1].strip("[]"))
    assert f"{address} is closed ({range_name(address)})" in outcome.message
    assert f"{address}/{address.max_prefixlen}:443" in outcome.message
    assert (wire.sent, resolver.asked) == ([], [])


async def test_a_socket_of_the_hub_is_told_from_others_of_its_range_by_nobody() -> None:
    protected = frozenset({(ip_address("10.96.0.1"), 443), (ip_address(PUBLIC), 443)})
    guard, _ = egress(names(), protected=protected, deny=(ip_network("34.118.224.0/20"),))
    for address, told in (
        ("10.96.0.1", "private network"),
        ("10.96.0.2", "private network"),
        (PUBLIC, "by the administrator"),
        ("34.118.224.1", "by the administrator"),
    ):
        outcome = await refusal(guard, request(f"https://{address}/"))
        assert f"{address} is closed ({told})" in outcome.message


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "https://0x7f.1/", "https://u:p@example.com/", "ftp://example.com/"]
)
async def test_a_url_outside_the_rules_never_reaches_the_resolver(url: str) -> None:
    resolver = names(example_com=[PUBLIC])
    guard, wire = egress(resolver)
    assert (await refusal(guard, request(url))).failure is Failure.INVALID_URL
    assert (wire.sent, resolver.asked) == ([], [])


async def test_every_request_is_checked_anew_so_a_name_that_changes_its_mind_is_caught() -> None:
    rebinding = Names({"evil.example.com": [Resolution((PUBLIC,)), Resolution(("169.254.169.254",))]})
    guard, wire = egress(rebinding)
    assert isinstance(await guard.send(request("https://evil.example.com/")), HttpResponse)
    assert (await refusal(guard, request("https://evil.example.com/"))).failure is Failure.BLOCKED
    assert [sent.addresses for sent in wire.sent] == [(PUBLIC,)]
    assert rebinding.asked == ["evil.example.com"] * 2, (
        "once for each request, never a second time in between"
    )


async def test_plain_http_goes_only_to_addresses_that_are_listed() -> None:
    resolver = names(api_example_com=[PUBLIC], inside_example_com=["10.1.2.3"])
    guard, wire = egress(resolver, allow=["10.1.0.0/16:80"])
    outcome = await refusal(guard, request("http://api.example.com/"))
    assert outcome.failure is Failure.BLOCKED
    assert "use https" in outcome.message
    assert PUBLIC not in outcome.message
    assert outcome.inside == f"{PUBLIC}: not on the allow-list"
    assert isinstance(await guard.send(request("http://inside.example.com/")), HttpResponse)
    assert len(wire.sent) == 1


async def test_an_internal_name_is_for_the_allow_list_even_if_it_is_public() -> None:
    guard, _ = egress(Names({"api.other.svc": [Resolution((PUBLIC,))]}), allow=["10.0.0.0/8:443"])
    assert (await refusal(guard, request("https://api.other.svc/"))).failure is Failure.BLOCKED


@pytest.mark.parametrize("url", ["https://wiki.corp/", "http://api.example.com/", "https://example.com:22/"])
async def test_a_name_that_no_entry_could_open_is_not_looked_up(url: str) -> None:
    """Whether there is such a name inside is nobody's to find out."""
    resolver = names()
    guard, _ = egress(resolver, allow=["10.0.0.0/8:8443"])
    assert (await refusal(guard, request(url))).failure is Failure.BLOCKED
    assert resolver.asked == []


async def test_the_log_names_the_address_for_administrators() -> None:
    guard, _ = egress(names(private_example_com=["10.1.2.3"]))
    with capture_logs() as logs:
        outcome = await refusal(guard, request("https://private.example.com/"))
    [line] = logs
    assert (line["log_level"], line["host"]) == ("warning", "private.example.com")
    assert line["inside"] == "10.1.2.3: private network"
    assert line["reason"] == outcome.message


async def test_loopback_opens_to_exactly_what_the_administrator_lists() -> None:
    resolver = Names({"vendor.local": [Resolution(("127.0.0.1",))]})
    guard, wire = egress(resolver, allow=["127.0.0.1:9000"])
    assert isinstance(await guard.send(request("http://vendor.local:9000/")), HttpResponse)
    assert (await refusal(guard, request("http://vendor.local:9001/"))).failure is Failure.BLOCKED
    assert len(wire.sent) == 1


async def test_a_product_reaches_a_service_of_its_own_namespace() -> None:
    resolver = Names({"flow.demo.svc": [Resolution(("10.96.4.5",), "flow.demo.svc.cluster.local")]})
    guard, wire = egress(resolver)
    assert isinstance(await guard.send(request("http://flow:8080/health", "product")), HttpResponse)
    assert (wire.sent[0].host, wire.sent[0].authority) == ("flow.demo.svc", "flow.demo.svc:8080")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://flow.other.svc/", "10.96.4.5"),
        ("http://example.com/", PUBLIC),
        ("http://10.96.4.5/", "10.96.4.5"),
        ("http://flow/", "127.0.0.1"),
        ("http://flow/", "169.254.169.254"),
        ("http://flow/", "fe80::1"),
    ],
)
async def test_a_product_reaches_nothing_else(url: str, address: str) -> None:
    hosts = ("flow.other.svc", "example.com", "flow.demo.svc")
    guard, wire = egress(Names({host: [Resolution((address,))] for host in hosts}))
    assert (await refusal(guard, request(url, "product"))).failure is Failure.BLOCKED
    assert wire.sent == []


async def test_a_service_that_is_an_alias_for_another_name_is_refused() -> None:
    alias = Resolution(("10.96.9.9",), "secrets.vault.svc.cluster.local")
    guard, wire = egress(Names({"flow.demo.svc": [alias]}))
    outcome = await refusal(guard, request("http://flow/", "product"))
    assert outcome.failure is Failure.BLOCKED
    assert "ExternalName" in outcome.message
    assert "vault" not in outcome.message
    assert outcome.inside == "alias for secrets.vault.svc.cluster.local"
    assert wire.sent == []


async def test_the_api_server_and_our_own_sockets_are_closed_to_products() -> None:
    resolver = Names({"kubernetes.default.svc": [Resolution(("10.96.0.1",))]})
    protected = frozenset({(ip_address("10.96.0.1"), 443)})
    guard, _ = egress(resolver, protected=protected)
    ask = request("https://kubernetes/", "product", "default")
    assert (await refusal(guard, ask)).failure is Failure.BLOCKED
    broad, _ = egress(resolver, protected=protected, allow=["10.96.0.0/12:443"])
    assert (await refusal(broad, ask)).failure is Failure.BLOCKED
    exact, _ = egress(resolver, protected=protected, allow=["10.96.0.1/32:443"])
    assert isinstance(await exact.send(ask), HttpResponse)


async def test_a_name_without_an_address_is_told() -> None:
    guard, _ = egress(names())
    assert (await refusal(guard, request("https://nowhere.example.com/"))).failure is Failure.DNS
    empty, _ = egress(Names({"empty.example.com": [Resolution(())]}))
    assert (await refusal(empty, request("https://empty.example.com/"))).failure is Failure.BLOCKED


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b\r\nHost: evil"},
        {"X-A": "b\x00"},
        {"X-A": "ключ"},
        {"X A": "b"},
        {"X-A\r\nX": "b"},
        {"": "b"},
        {"Host": "evil.example.com"},
        {"content-LENGTH": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"Proxy-Authorization": "x"},
        {"X-A": "b" * 20_000},
    ],
    ids=lambda headers: next(iter(headers)) or "empty",
)
async def test_a_header_that_could_bend_the_request_is_refused(headers: dict[str, str]) -> None:
    guard, wire = egress(names(api_example_com=[PUBLIC]))
    outcome = await refusal(guard, request("https://api.example.com/", headers=headers))
    assert outcome.failure is Failure.PROTOCOL
    assert wire.sent == []


@pytest.mark.parametrize("method", ["get", "GET /", "G\r\nET", ""])
async def test_a_method_that_is_none_is_refused(method: str) -> None:
    guard, wire = egress(names(api_example_com=[PUBLIC]))
    ask = HttpRequest(method, "https://api.example.com/", Destination("tenant", "demo"))
    assert isinstance(await guard.send(ask), HttpFailure)
    assert wire.sent == []


async def test_beyond_the_bound_requests_fail_at_once() -> None:
    wire = Wire(gate=asyncio.Event())
    guard, _ = egress(names(api_example_com=[PUBLIC]), wire=wire, limits=EgressLimits(in_flight=2))
    first = [asyncio.create_task(guard.send(request("https://api.example.com/"))) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await refusal(guard, request("https://api.example.com/"))).failure is Failure.OVERLOADED
    assert wire.gate is not None
    wire.gate.set()
    assert all(isinstance(outcome, HttpResponse) for outcome in await asyncio.gather(*first))
    assert isinstance(await guard.send(request("https://api.example.com/")), HttpResponse)


async def test_a_slow_host_takes_up_its_own_places_only() -> None:
    wire = Wire(gate=asyncio.Event())
    resolver = names(slow_example_com=[PUBLIC], fast_example_com=["93.184.215.15"])
    guard, _ = egress(resolver, wire=wire, limits=EgressLimits(at_once_per_host=1))
    slow = [asyncio.create_task(guard.send(request("https://slow.example.com/"))) for _ in range(3)]
    fast = asyncio.create_task(guard.send(request("https://fast.example.com/")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert [sent.host for sent in wire.sent] == ["slow.example.com", "fast.example.com"]
    assert wire.gate is not None
    wire.gate.set()
    await asyncio.gather(*slow, fast)
    assert len(wire.sent) == 4


@pytest.mark.parametrize("limit", ["at_once", "at_once_per_host", "at_once_per_namespace"])
async def test_waiting_for_a_place_counts_against_the_deadline_and_not_against_the_far_end(
    limit: str,
) -> None:
    wire = Wire(gate=asyncio.Event())
    guard, _ = egress(names(api_example_com=[PUBLIC]), wire=wire, limits=EgressLimits(**{limit: 1}))
    holder = asyncio.create_task(guard.send(request("https://api.example.com/", timeout_seconds=60)))
    await asyncio.sleep(0)
    outcome = await refusal(guard, request("https://api.example.com/", timeout_seconds=0.02))
    assert outcome.failure is Failure.OVERLOADED
    assert "was not sent" in outcome.message
    assert wire.gate is not None
    wire.gate.set()
    assert isinstance(await holder, HttpResponse)
    assert not guard._by_host, "a lane that nobody uses is forgotten"
    assert not guard._by_namespace


async def test_a_namespace_whose_hosts_hang_takes_up_its_own_places_only() -> None:
    wire = Wire(gate=asyncio.Event())
    hosts = {f"slow{number}_example_com": [PUBLIC] for number in range(9)}
    guard, _ = egress(
        names(**hosts, fast_example_com=["93.184.215.15"]),
        wire=wire,
        limits=EgressLimits(at_once=4, at_once_per_namespace=3),
    )
    slow = [
        asyncio.create_task(guard.send(request(f"https://slow{number}.example.com/"))) for number in range(9)
    ]
    for _ in range(10):
        await asyncio.sleep(0)
    fast = asyncio.create_task(
        guard.send(replace(request("https://fast.example.com/"), destination=Destination("tenant", "other")))
    )
    for _ in range(10):
        await asyncio.sleep(0)
    assert [sent.host for sent in wire.sent][3:] == ["fast.example.com"]
    assert wire.gate is not None
    wire.gate.set()
    assert all(isinstance(outcome, HttpResponse) for outcome in await asyncio.gather(*slow, fast))


async def test_the_log_names_host_status_and_time_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "integration_hub.egress")
    guard, _ = egress(names(api_example_com=[PUBLIC], bad_example_com=["10.0.0.1"]))
    with capture_logs() as lines:
        await guard.send(
            request(
                "https://api.example.com/s3cret?key=s3cret",
                headers={"Authorization": "s3cret"},
                body=b"s3cret",
            )
        )
        await guard.send(request("https://bad.example.com/s3cret?key=s3cret"))
        await guard.send(request("https://u:s3cret@api.example.com/?key=s3cret"))
        await guard.send(request("https://api.example.com/?key=s3cret", headers={"X-A": "s3cret\n"}))
    assert [line["host"] for line in lines] == [
        "api.example.com",
        "bad.example.com",
        "(refused)",
        "api.example.com",
    ]
    assert [line["log_level"] for line in lines] == ["debug", "warning", "warning", "info"]
    assert lines[0]["status"] == 200
    assert "milliseconds" in lines[0]
    assert "s3cret" not in repr(lines)


async def test_what_goes_on_failing_is_told_once_in_a_while() -> None:
    now = [0.0]
    guard, _ = egress(names(bad_example_com=["10.0.0.1"]))
    guard._log = RequestLog(lambda: now[0])
    with capture_logs() as lines:
        for _ in range(3):
            await guard.send(request("https://bad.example.com/"))
        await guard.send(replace(request("https://bad.example.com/"), destination=Destination("tenant", "b")))
        now[0] = AGAIN_SECONDS + 1
        await guard.send(request("https://bad.example.com/"))
    assert [line["log_level"] for line in lines] == ["warning", "debug", "debug", "warning", "warning"]


@pytest.mark.parametrize("connections", [1, 8, 32, 100, 10_000])
def test_no_host_takes_all_connections_and_no_namespace_all_of_a_host(connections: int) -> None:
    limits = EgressLimits.of(connections)
    assert limits.at_once_per_namespace <= limits.at_once_per_host <= limits.at_once == connections
    if connections >= 32:
        assert 2 * limits.at_once_per_namespace <= limits.at_once_per_host
        assert 2 * limits.at_once_per_host <= limits.at_once
