"""Which addresses the whole program may reach: what the settings and its own surroundings come to."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from integration_hub.domain.address import Allowed, Refused, Trust, check
from integration_hub.settings import Settings
from integration_hub.wiring.way_out import SettingsError, WayOut, address_policy

API_SERVER = "https://10.96.0.1:443"


def settings(**given: Any) -> Settings:
    return Settings(namespace="hub", **given)


@pytest.mark.parametrize("trust", ["tenant", "product"])
@pytest.mark.parametrize(
    ("address", "port"),
    [
        pytest.param("10.244.1.7", 8081, id="the pod's address"),
        pytest.param("fd00:244::7", 8081, id="its other address"),
        pytest.param("127.0.0.1", 8081, id="loopback"),
        pytest.param("10.96.0.1", 443, id="the API server"),
    ],
)
@pytest.mark.parametrize(
    "allow", [(), ("10.0.0.0/8:8081", "fd00::/8:8081", "127.0.0.0/8:8081", "10.96.0.0/12:443")]
)
def test_our_own_door_and_the_api_server_are_nobodys_destination(
    address: str, port: int, trust: Trust, allow: tuple[str, ...]
) -> None:
    """A tenant's Service may have endpoints that somebody wrote by hand: at an address of ours, for one."""
    policy = address_policy(settings(pod_ips=("10.244.1.7", "fd00:244::7"), egress_allow=allow), API_SERVER)
    assert isinstance(check(ip_address(address), port, policy, trust), Refused)


def test_the_rest_of_the_pod_network_is_open_to_products() -> None:
    policy = address_policy(settings(pod_ips=("10.244.1.7",)), API_SERVER)
    assert isinstance(check(ip_address("10.244.1.8"), 8081, policy, "product"), Allowed)
    assert isinstance(check(ip_address("10.244.1.7"), 8080, policy, "product"), Allowed)


def test_the_name_of_the_api_server_stands_for_its_addresses() -> None:
    policy = address_policy(settings(), "https://localhost:6443")
    assert (ip_address("127.0.0.1"), 6443) in policy.protected or (
        ip_address("::1"),
        6443,
    ) in policy.protected


def test_the_address_that_speaks_to_the_api_server_is_our_own() -> None:
    """Also where nobody told us what our addresses are; a machine without a route has none to protect."""
    told = {ip_address("127.0.0.1"), ip_address("::1")}
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))
        told.add(ip_address(asking.getsockname()[0]))
    policy = address_policy(settings(), "https://192.0.2.1:6443")
    assert {(mine, 8081) for mine in told} <= policy.protected


def test_ranges_that_a_cloud_took_from_public_space_are_closed_to_tenants_only() -> None:
    policy = address_policy(settings(egress_deny=("34.118.224.0/20",)), API_SERVER)
    inside, outside = ip_address("34.118.225.1"), ip_address("34.118.250.1")
    assert check(inside, 443, policy, "tenant") == Refused("closed by the administrator")
    assert isinstance(check(inside, 443, policy, "product"), Allowed)
    assert isinstance(check(outside, 443, policy, "tenant"), Allowed)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"egress_allow": ("10.0.0.0/8",)}, "egress_allow", id="allowed without a port"),
        pytest.param({"egress_deny": ("10.0.0.1/8",)}, "egress_deny", id="denied with host bits"),
        pytest.param({"egress_deny": ("everything",)}, "egress_deny", id="denied in words"),
        pytest.param({"egress_ca_file": Path("/nowhere/ca.crt")}, "egress_ca_file", id="no such file"),
        pytest.param({"egress_ca_file": Path(__file__)}, "egress_ca_file", id="no certificates in it"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}: "):
        WayOut.build(settings(**given), API_SERVER)
