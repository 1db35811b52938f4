"""The address table: what is open, what is closed, and what the administrator may open."""

from __future__ import annotations

import ipaddress
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integration_hub.domain.address import (
    BLOCKS,
    AddressPolicy,
    Allowed,
    AllowList,
    AllowListError,
    Refused,
    Trust,
    check,
    parse_literal,
)

CLOSED_TO_TENANTS = {
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "10.0.0.1": "private network",
    "10.255.255.255": "private network",
    "100.64.0.1": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "100.100.100.200": "cloud metadata",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.0.1": "link-local",
    "169.254.169.254": "cloud metadata",
    "172.16.0.1": "private network",
    "172.31.255.255": "private network",
    "192.0.0.1": "IETF protocol assignments",
    "192.0.0.192": "IETF protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.0.1": "private network",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv6 with an IPv4 address inside",
    "::ffff:127.0.0.1": "IPv6 with an IPv4 address inside",
    "::ffff:8.8.8.8": "IPv6 with an IPv4 address inside",
    "::ffff:0:127.0.0.1": "IPv6 with an IPv4 address inside",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:20::1": "IETF protocol assignments",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "3fff::1": "documentation",
    "4000::1": "not global unicast",
    "5f00::1": "not global unicast",
    "fc00::1": "unique local network",
    "fd00:ec2::254": "cloud metadata",
    "fd12:3456::1": "unique local network",
    "fe80::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
}
OPEN_TO_ALL = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2400:cb00::1",
]
OPEN_TO_PRODUCTS = [
    "10.96.0.10",
    "172.20.1.1",
    "192.168.7.7",
    "100.64.9.9",
    "198.18.0.5",
    "240.0.0.9",
    "fd00::5",
]
NEVER_A_SERVICE = [
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "100.100.100.200",
    "fd00:ec2::254",
    "168.63.129.16",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
]


def policy(
    *allow: str, deny: tuple[str, ...] = (), protected: tuple[tuple[str, int], ...] = ()
) -> AddressPolicy:
    allow_list = AllowList.parse(allow)
    assert isinstance(allow_list, AllowList), allow_list
    return AddressPolicy(
        allow_list,
        tuple(ip_network(network) for network in deny),
        frozenset((ip_address(address), port) for address, port in protected),
    )


@pytest.mark.parametrize(("address", "reason"), CLOSED_TO_TENANTS.items(), ids=CLOSED_TO_TENANTS)
def test_a_tenant_cannot_reach_anything_but_global_unicast(address: str, reason: str) -> None:
    assert check(ip_address(address), 443, AddressPolicy(), "tenant") == Refused(reason)


@pytest.mark.parametrize("trust", ["tenant", "product", "administrator"])
@pytest.mark.parametrize("address", OPEN_TO_ALL)
def test_ordinary_public_addresses_are_open(address: str, trust: Trust) -> None:
    assert check(ip_address(address), 443, AddressPolicy(), trust) == Allowed(listed=False)


@pytest.mark.parametrize("address", OPEN_TO_PRODUCTS)
def test_private_ranges_are_open_to_products_and_closed_to_tenants(address: str) -> None:
    assert check(ip_address(address), 8080, AddressPolicy(), "administrator") == Allowed(listed=False)
    assert check(ip_address(address), 8080, AddressPolicy(), "product") == Allowed(listed=False)
    assert isinstance(check(ip_address(address), 8080, AddressPolicy(), "tenant"), Refused)


@pytest.mark.parametrize("address", NEVER_A_SERVICE)
def test_ranges_that_no_service_has_are_closed_to_products_too(address: str) -> None:
    assert isinstance(check(ip_address(address), 80, AddressPolicy(), "product"), Refused)


@pytest.mark.parametrize(
    ("entry", "address", "port", "opened"),
    [
        ("127.0.0.1/32:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, False),
        ("127.0.0.1:9000", "127.0.0.2", 9000, False),
        ("127.0.0.0/8:9000", "127.9.9.9", 9000, True),
        ("10.1.0.0/16:8080", "10.1.2.3", 8080, True),
        ("10.1.0.0/16:8080", "10.2.2.3", 8080, False),
        ("10.0.0.0/8:8080", "10.2.2.3", 8080, True),
        ("0.0.0.0/0:80", "127.0.0.1", 80, False),
        ("0.0.0.0/0:80", "169.254.169.254", 80, False),
        ("0.0.0.0/0:80", "10.0.0.1", 80, False),
        ("169.254.0.0/16:80", "169.254.7.7", 80, True),
        ("169.254.0.0/16:80", "169.254.169.254", 80, False),
        ("169.254.169.254/32:80", "169.254.169.254", 80, True),
        ("100.64.0.0/10:80", "100.100.100.200", 80, False),
        ("[::1]:443", "::1", 443, True),
        ("::1/128:443", "::1", 443, True),
        ("::/0:443", "::1", 443, False),
        ("fd00::/8:443", "fd00::9", 443, True),
        ("fd00::/8:443", "fd00:ec2::254", 443, False),
        ("127.0.0.1:9000", "::ffff:127.0.0.1", 9000, False),
    ],
)
@pytest.mark.parametrize("trust", ["tenant", "product", "administrator"])
def test_an_entry_opens_a_closed_range_only_from_inside(
    entry: str, address: str, port: int, opened: bool, trust: Trust
) -> None:
    verdict = check(ip_address(address), port, policy(entry), trust)
    if trust != "tenant" and address.startswith(("10.", "fd00::9")):
        assert isinstance(verdict, Allowed)
        assert verdict.listed is opened
    else:
        assert isinstance(verdict, Allowed) is opened
        if isinstance(verdict, Allowed):
            assert verdict.listed


def test_an_open_address_says_whether_an_entry_covers_it() -> None:
    assert check(ip_address("8.8.8.8"), 80, policy("0.0.0.0/0:80"), "tenant") == Allowed(listed=True)
    assert check(ip_address("8.8.8.8"), 443, policy("0.0.0.0/0:80"), "tenant") == Allowed(listed=False)


@pytest.mark.parametrize("trust", ["tenant", "product", "administrator"])
def test_the_api_server_and_our_own_sockets_open_only_to_an_entry_for_exactly_them(trust: Trust) -> None:
    guarded = (("10.96.0.1", 443),)
    api_server = ip_address("10.96.0.1")
    assert isinstance(check(api_server, 443, policy(protected=guarded), trust), Refused)
    assert isinstance(check(api_server, 443, policy("10.96.0.0/12:443", protected=guarded), trust), Refused)
    assert check(api_server, 443, policy("10.96.0.1/32:443", protected=guarded), trust) == Allowed(
        listed=True
    )
    assert isinstance(check(api_server, 444, policy(protected=guarded), "product"), Allowed)


def test_ranges_the_administrator_closes_are_closed_to_tenants_and_open_to_products() -> None:
    closed = policy(deny=("34.118.224.0/20",))
    assert isinstance(check(ip_address("34.118.224.9"), 443, closed, "tenant"), Refused)
    assert isinstance(check(ip_address("34.118.224.9"), 443, closed, "product"), Allowed)


def test_an_address_with_a_zone_is_refused() -> None:
    assert isinstance(check(ip_address("2606:4700::1111%eth0"), 443, AddressPolicy(), "tenant"), Refused)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0/8",
        "10.0.0.0/8:",
        "10.0.0.0/8:0",
        "10.0.0.0/8:65536",
        "10.0.0.0/8:http",
        "10.0.0.1/8:80",
        "10.0.0.0/33:80",
        "example.com:80",
        "fd00::1:443",
        "[10.0.0.0/8:80",
        "010.0.0.1:80",
    ],
)
def test_an_unreadable_entry_is_named(text: str) -> None:
    error = AllowList.parse([text])
    assert isinstance(error, AllowListError)
    assert repr(text) in error.message


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.01",
        "１２７.0.0.1",
        "fe80::1%eth0",
        "",
        "1.2.3.4.5",
    ],
)
def test_only_the_canonical_spelling_is_an_address(text: str) -> None:
    assert parse_literal(text) is None


@given(st.ip_addresses())
@example(ip_address("192.0.0.9"))
@example(ip_address("2001:1::1"))
def test_what_the_table_opens_python_calls_global_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if isinstance(check(address, 443, AddressPolicy(), "tenant"), Allowed):
        assert address.is_global
        assert not address.is_multicast


@given(st.sampled_from(BLOCKS).flatmap(lambda block: st.ip_addresses(network=block.network)))
def test_no_address_of_a_closed_range_slips_through(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    verdict = check(address, 443, AddressPolicy(), "tenant")
    inside_global = address in ip_network("2000::/3") if address.version == 6 else False
    narrow = [
        block for block in BLOCKS if block.network.version == address.version and block.network.prefixlen
    ]
    if not inside_global or any(address in block.network for block in narrow):
        assert isinstance(verdict, Refused)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_never_open(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for outer in (
        number,
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),
    ):
        assert isinstance(check(ipaddress.IPv6Address(outer), 443, AddressPolicy(), "tenant"), Refused)
        assert isinstance(check(ipaddress.IPv6Address(outer), 443, AddressPolicy(), "product"), Refused)
