"""Which network addresses a result may come from: public ones."""

import ipaddress

# The IANA special-purpose registries (RFC 6890 and its updates), written out because `ipaddress.is_global`
# differs between Python 3.11, 3.12 and 3.13. 168.63.129.16 is Azure's host channel on a public number; the
# other clouds' metadata services live in link-local, CGNAT, 192.0.0.0/24 and fc00::/7, all covered by the
# ranges.
_FORBIDDEN_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# Global unicast is 2000::/3 and nothing else; out of it go the protocol assignments (Teredo among them), the
# documentation ranges and 6to4. No picture host lives behind a tunnel, so tunnels are refused whole, whatever
# IPv4 address they carry.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")

_FORBIDDEN_V6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet, so that nothing of ours can be behind it.

    IPv4-mapped and NAT64 addresses count as the IPv4 address inside; 6to4, Teredo and local NAT64 are never
    public.
    """
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded_v4(address)
        if embedded is None:
            return address in _GLOBAL_V6 and not any(address in network for network in _FORBIDDEN_V6)
        address = embedded
    return not any(address in network for network in _FORBIDDEN_V4)


def _embedded_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    # In a VPC with IPv6 only, every IPv4 host of the internet is reached by its NAT64 address.
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
