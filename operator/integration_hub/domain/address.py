"""Which addresses the hub may connect to: our own table, asked for every resolved address.

`ipaddress.is_global` is not used: it calls NAT64, 6to4 and multicast addresses global, and its
opinion changes with the Python release. Here nothing but ordinary global unicast is open, and the
table below says what is not (IANA special-purpose registries for IPv4 and IPv6, RFC 6890, plus the
metadata addresses of cloud vendors that lie outside them).

Whose an address is tells what it may be (`Trust`). A *tenant's* outside system is reached on public
addresses only. A *product* is trusted by its Service name, what the *administrator's* settings name as
such, so private ranges are open to both; the ranges that no Service ever has (loopback, link-local, metadata,
embedded IPv4) are closed to all.

The administrator opens more with entries of `cidr:port`. An entry opens a closed range only if it
lies inside that range: `0.0.0.0/0:80` opens nothing that is closed, `169.254.169.254/32:80` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Trust = Literal["tenant", "product", "administrator"]


@dataclass(frozen=True, slots=True)
class Block:
    """A range that is closed, and what people call it. `private` ranges are open to products."""

    network: Network
    name: str
    private: bool = False


def _block(network: str, name: str, *, private: bool = False) -> Block:
    return Block(ip_network(network), name, private)


_METADATA = "cloud metadata"
_EMBEDS_IPV4 = "IPv6 with an IPv4 address inside"

BLOCKS: tuple[Block, ...] = (
    _block("0.0.0.0/8", "this network"),
    _block("10.0.0.0/8", "private network", private=True),
    _block("100.64.0.0/10", "carrier-grade NAT", private=True),
    _block("100.100.100.200/32", _METADATA),
    _block("127.0.0.0/8", "loopback"),
    _block("168.63.129.16/32", _METADATA),
    _block("169.254.0.0/16", "link-local"),
    _block("169.254.169.254/32", _METADATA),
    _block("172.16.0.0/12", "private network", private=True),
    _block("192.0.0.0/24", "IETF protocol assignments"),
    _block("192.0.2.0/24", "documentation"),
    _block("192.31.196.0/24", "AS112 name servers"),
    _block("192.52.193.0/24", "multicast tunnelling"),
    _block("192.88.99.0/24", "6to4 relay"),
    _block("192.168.0.0/16", "private network", private=True),
    _block("192.175.48.0/24", "AS112 name servers"),
    _block("198.18.0.0/15", "benchmarking", private=True),
    _block("198.51.100.0/24", "documentation"),
    _block("203.0.113.0/24", "documentation"),
    _block("224.0.0.0/4", "multicast"),
    _block("240.0.0.0/4", "reserved", private=True),
    _block("255.255.255.255/32", "broadcast"),
    _block("::/0", "not global unicast"),
    _block("::/96", _EMBEDS_IPV4),
    _block("::/128", "unspecified"),
    _block("::1/128", "loopback"),
    _block("::ffff:0:0/96", _EMBEDS_IPV4),
    _block("::ffff:0:0:0/96", _EMBEDS_IPV4),
    _block("64:ff9b::/96", "NAT64"),
    _block("64:ff9b:1::/48", "NAT64"),
    _block("100::/64", "discard"),
    _block("2001::/23", "IETF protocol assignments"),
    _block("2001::/32", "Teredo"),
    _block("2001:db8::/32", "documentation"),
    _block("2002::/16", "6to4"),
    _block("2620:4f:8000::/48", "AS112 name servers"),
    _block("3fff::/20", "documentation"),
    _block("fc00::/7", "unique local network", private=True),
    _block("fd00:ec2::254/128", _METADATA),
    _block("fd20:ce::254/128", _METADATA),
    _block("fe80::/10", "link-local"),
    _block("fec0::/10", "site-local"),
    _block("ff00::/8", "multicast"),
)
_GLOBAL_UNICAST = ip_network("2000::/3")
_RANGES = {
    version: tuple(
        (int(block.network.network_address), int(block.network.broadcast_address), block)
        for block in BLOCKS
        if block.network.version == version
    )
    for version in (4, 6)
}
"""The table as numbers: the check runs for every request, and comparing integers is quick."""


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """One entry of the administrator's allow-list: these addresses, on this port."""

    network: Network
    port: int

    def __str__(self) -> str:
        return f"{self.network}:{self.port}"


@dataclass(frozen=True, slots=True)
class AllowListError:
    """An entry that cannot be read; `message` names it and shows the right form."""

    message: str


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the administrator opened beyond the table. Empty by default."""

    entries: tuple[AllowEntry, ...] = ()

    @staticmethod
    def parse(texts: Iterable[str]) -> AllowList | AllowListError:
        """Read entries such as `10.1.0.0/16:8080`, `127.0.0.1:9000` or `fd00::/8:443`."""
        entries: list[AllowEntry] = []
        for text in texts:
            entry = _parse_entry(text.strip())
            if entry is None:
                return AllowListError(
                    f"the allow-list entry {text!r} is not `cidr:port`, as in 10.1.0.0/16:8080 or [::1]:443"
                )
            entries.append(entry)
        return AllowList(tuple(entries))


def parse_ranges(texts: Iterable[str]) -> tuple[Network, ...] | AllowListError:
    """Read ranges such as `34.118.224.0/20` or `2600:1900::/28`, for `AddressPolicy.deny`."""
    ranges: list[Network] = []
    for text in texts:
        try:
            ranges.append(ip_network(text.strip()))
        except ValueError:
            return AllowListError(f"{text!r} is no range of addresses, as in 34.118.224.0/20")
    return tuple(ranges)


def _parse_entry(text: str) -> AllowEntry | None:
    network_text, colon, port_text = text.rpartition(":")
    bracketed = network_text.startswith("[") and network_text.endswith("]")
    unmistakable = bracketed or "/" in network_text
    if not colon or not (port_text.isascii() and port_text.isdigit()) or not 1 <= int(port_text) <= 65_535:
        return None
    if bracketed:
        network_text = network_text[1:-1]
    try:
        network = ip_network(network_text)
    except ValueError:
        return None
    if network.version == 6 and not unmistakable:
        return None
    return AllowEntry(network, int(port_text))


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Everything the decision depends on besides the address itself.

    `allow`: the administrator's allow-list. `deny`: further ranges that are closed to tenants, such
    as pod and Service ranges that a cloud took from public space. `protected`: sockets of the API
    server and of the hub itself, opened only by an entry for exactly that address and port.
    """

    allow: AllowList = AllowList()
    deny: tuple[Network, ...] = ()
    protected: frozenset[tuple[Address, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Allowed:
    """Connect. `listed` says that an entry of the allow-list opens the address, needed or not."""

    listed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Do not connect. `reason` names the range, as in `loopback`: for administrators, since of a name that
    somebody else chose it tells what the inside looks like.
    """

    reason: str


def check(address: Address, port: int, policy: AddressPolicy, trust: Trust) -> Allowed | Refused:
    """Decide about one resolved address and port."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return Refused("an address with a zone")
    covering = [e for e in policy.allow.entries if e.port == port and _contains(e.network, address)]
    if (address, port) in policy.protected:
        exact = any(entry.network.num_addresses == 1 for entry in covering)
        return Allowed(listed=True) if exact else Refused("a socket of the hub or of the API server")
    block = _narrowest(address, policy, trust)
    if block is None:
        return Allowed(listed=bool(covering))
    listed = any(_inside(entry.network, block.network) for entry in covering)
    if listed or (block.private and trust != "tenant"):
        return Allowed(listed)
    return Refused(block.name)


def opens_any(policy: AddressPolicy, port: int) -> bool:
    """Whether the administrator listed any address on this port."""
    return any(entry.port == port for entry in policy.allow.entries)


def range_name(address: Address) -> str:
    """What anybody can look up about an address: the name of its range, empty for a public one."""
    block = _narrowest(address, AddressPolicy(), "tenant")
    return block.name if block is not None else ""


def _narrowest(address: Address, policy: AddressPolicy, trust: Trust) -> Block | None:
    """The narrowest range of the table, or of the administrator's own, that holds the address."""
    number = int(address)
    blocks = [block for first, last, block in _RANGES[address.version] if first <= number <= last]
    if address.version == 6 and address in _GLOBAL_UNICAST:
        blocks = [block for block in blocks if block.network.prefixlen > 0]
    if trust == "tenant":
        blocks += [
            Block(net, "closed by the administrator") for net in policy.deny if _contains(net, address)
        ]
    return max(blocks, key=lambda block: block.network.prefixlen, default=None)


@lru_cache(maxsize=4_096)
def parse_literal(text: str) -> Address | None:
    """An address written the one canonical way (no octal, hex, short or decimal forms, no zone), or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def _contains(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
