"""Who may ask: a request needs the token, a name of this computer, and no foreign origin.

The token keeps out other users and programs of the computer, the host name keeps out web sites
that let their own name lead here (DNS rebinding), the origin keeps out pages of other sites.
"""

import hmac
from collections.abc import Mapping
from secrets import token_urlsafe

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TOKEN_HEADER = "X-Session-Token"


def new_token() -> str:
    """Return a random token of 192 bits."""
    return token_urlsafe(24)


def refusal(
    headers: Mapping[str, str], *, given: str, token: str, hosts: tuple[str, ...], is_write: bool
) -> str | None:
    """Return why a request is refused, or None if it may pass.

    Parameters
    ----------
    headers
        Of the request.
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
    host = headers.get("Host") or ""
    if _without_port(host) not in hosts:
        return f"the host name {host[:80]!r} is not one of {', '.join(hosts)}"
    origin = headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
        return f"the request comes from a page of {origin[:80]!r}"
    site = headers.get("Sec-Fetch-Site")
    if site not in (None, "same-origin", "none"):
        return f"the request comes from another site ({site[:20]})"
    if not hmac.compare_digest(given.encode(), token.encode()):
        return "the token is missing or wrong; open the address that the command printed"
    content_type = (headers.get("Content-Type") or "").partition(";")[0].strip()
    if is_write and content_type != "application/json":
        return "changes must come as application/json"
    return None


def _without_port(host: str) -> str:
    """Return the name in a Host header, in small letters."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
