"""Who may ask: a request needs the token, a name of this computer, and no foreign origin.

The token keeps out other users and programs of the computer, the host name keeps out web sites
that let their own name lead here (DNS rebinding), the origin keeps out pages of other sites.
"""

import hmac
import socket
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from secrets import token_urlsafe

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this computer in the header Host."""

EVERY_ADDRESS = ("0.0.0.0", "::")
"""Addresses to listen on that mean all of this computer."""

ANY_NUMBER = "any number"
"""Among the names under which a server may be called: every numeric address. A web site of an
attacker has a name, so that a number cannot be one that leads here by DNS rebinding."""

TOKEN_HEADER = "X-Session-Token"


def new_token() -> str:
    """Return a random token of 192 bits."""
    return token_urlsafe(24)


def names_of(host: str) -> tuple[str, ...]:
    """Return the names, without port, under which a server that listens on `host` may be called."""
    if host in EVERY_ADDRESS:
        own = socket.gethostname().lower()
        return (*LOOPBACK, ANY_NUMBER, own, f"{own.partition('.')[0]}.local")
    return tuple(dict.fromkeys((*LOOPBACK, in_address(host))))


def in_address(host: str) -> str:
    """Return a host as it stands in an address: IPv6 in brackets (RFC 3986), small letters."""
    return f"[{host}]".lower() if ":" in host else host.lower()


def refusal(
    headers: Mapping[str, str],
    *,
    given: str,
    token: str,
    hosts: Collection[str],
    is_write: bool,
) -> str | None:
    """Return why a request is refused, or None if it may pass.

    Parameters
    ----------
    headers
        Of the request; their names have no case (RFC 9110, 5.1).
    given
        The token it came with.
    token
        The right one.
    hosts
        Names, without port, under which the server may be called: a forwarded port keeps the
        name but not the number.
    is_write
        Whether it may change something.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    host = headers.get("host") or ""
    if not _is_ours(_without_port(host), hosts):
        return f"the host name {host[:80]!r} is not one of {', '.join(hosts)}"
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return f"the request comes from a page of {origin[:80]!r}"
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return f"the request comes from another site ({site[:20]})"
    if not hmac.compare_digest(given.encode(), token.encode()):
        return "the token is missing or wrong; open the address that the command printed"
    content_type = (headers.get("content-type") or "").partition(";")[0].strip()
    if is_write and content_type != "application/json":
        return "changes must come as application/json"
    return None


def _is_ours(name: str, hosts: Collection[str]) -> bool:
    """Return whether a server of these names is meant."""
    if name in hosts or ANY_NUMBER not in hosts:
        return name in hosts
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    """Return the name in a Host header, in small letters."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
