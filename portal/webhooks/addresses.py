"""Where the portal may send to: a webhook's address is chosen by others and must not open the portal's own network.

An address is checked when it is registered, and again at every delivery on what its name then resolves to; the
connection goes to exactly the address that was checked.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from agreements.deciders import Value
from agreements.errors import Invalid

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], tuple[str, ...]]
"""The IP addresses of a host name. Raises OSError or UnicodeError."""

_FORM = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
"""Narrower than RFC 3986, so that no two readers see two hosts in an address: no user, no fragment, ASCII only."""

_LONGEST = 500
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    # RFC 1918 and RFC 4193
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_NEVER = tuple(
    ipaddress.ip_network(network)
    # Where clouds keep credentials outside the link-local networks (Amazon, Google, Azure, Oracle in the block of
    # RFC 6890), and the site-local addresses of old (RFC 3879); some of these pass for global ones.
    for network in ("fd00:ec2::/32", "fd20:ce::/64", "168.63.129.16/32", "192.0.0.0/24", "fec0::/10")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_PORTS = {"http": 80, "https": 443}


class AddressRefused(Invalid):
    """The portal does not connect to the address. ``why`` completes "it cannot be used:"."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "webhook_address_refused",
            f"The address of the webhook cannot be used: {why}.",
            hint="Give a public https address.",
            param="url",
        )
        self.why = why


class Policy(Value):
    """What the operator lets webhooks reach beyond public addresses by https."""

    loopback: bool = False
    """This machine, also by plain http: for demonstrations."""
    private: bool = False
    """Private networks (RFC 1918, RFC 4193), by https."""


class Target(Value):
    """An address taken apart."""

    scheme: str
    host: str
    """Without brackets."""
    port: int
    path: str
    """From the slash on, with the query."""

    def at(self, address: str) -> str:
        """The address with an IP address in place of the name."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """The ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, policy: Policy) -> Target:
    """Take an address apart, without asking anybody. Raises Invalid ``webhook_address_refused``."""
    found = _FORM.fullmatch(url) if len(url) <= _LONGEST else None
    if found is None:
        raise _refused("it is not of the form https://host/path")
    parts = urlsplit(url)
    scheme, host = found["scheme"], found["host"].strip("[]").lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if not 1 <= port <= 65535 or (parts.hostname or "") != host:
        raise _refused("it is not of the form https://host/path")
    literal = _literal(host)
    local = host == "localhost" or host.endswith(".localhost") or (literal is not None and literal.is_loopback)
    if scheme == "http" and not (local and policy.loopback):
        raise _refused("it has to begin with https://")
    if literal is not None:
        check_address(host, policy, scheme=scheme)
    elif local and not policy.loopback:
        raise _refused("it leads to this machine")
    elif "." not in host and not local and not policy.private:
        raise _refused("its host is no full name")
    path = found["target"]
    return Target(scheme=scheme, host=host, port=port, path=path if path.startswith("/") else f"/{path}")


def check_address(address: str, policy: Policy, *, scheme: str) -> None:
    """Return if the portal may connect to an IP address. Raises Invalid ``webhook_address_refused``.

    Where clouds keep their credentials, link-local addresses foremost, is never let through.
    """
    ip = _literal(address)
    if ip is None:
        raise _refused("its name does not lead to an IP address")
    reached = _embedded(ip)
    if reached.is_loopback:
        if not policy.loopback:
            raise _refused("it leads to this machine")
        return
    if scheme != "https":
        raise _refused("it has to begin with https://")
    if (
        reached.is_link_local
        or reached.is_multicast
        or reached.is_unspecified
        or reached.is_reserved
        or _within(reached, _NEVER)
    ):
        raise _refused("it leads to an address that nobody serves publicly")
    if not reached.is_global and not (policy.private and _within(reached, _PRIVATE)):
        raise _refused("it leads into a private network")


def resolve(host: str, port: int) -> tuple[str, ...]:
    """What the system's resolver says, best first. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _within(ip: IpAddress, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(ip in network for network in networks)


def _embedded(ip: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address stands for, where it stands for one: that is where packets end up."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    return inner or ip


def _refused(why: str) -> AddressRefused:
    return AddressRefused(why)
