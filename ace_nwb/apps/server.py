"""A small HTTP server for one page on one session file, for this computer alone by default.

Paths are looked up in the tables of the page and nowhere else: no path leads to a file.
"""

import hmac
import json
import logging
import socket
import webbrowser
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from os import environ
from secrets import token_urlsafe
from sys import platform
from threading import Condition
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ace_nwb.apps.app import App, Reply, json_reply
from ace_nwb.apps.pages import build_page
from ace_nwb.errors import AceNwbError, CurationError, InputError, OutputError, SessionLockedError

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8765  # any port above 1023 that no common service uses would do
_PORTS_TRIED = 20  # as many pages may be open at once before --port is needed
_HIGHEST_PORT = 2**16 - 1  # of TCP: 16 bits
_LARGEST_BODY = 2**18  # bytes of a request: 2,000 decisions with short reasons are 200 kB
_LONGEST_ANSWER_S = 30.0  # seconds that an answer under way may take when the page is closed
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STATUS: dict[type[AceNwbError], int] = {
    SessionLockedError: 503,
    CurationError: 409,
    InputError: 400,
}


class PageServer(ThreadingHTTPServer):
    """Serves one page; `with` or `close` stops it.

    Parameters
    ----------
    app
        The page.
    host
        Name or address, also IPv6, to listen on; 0.0.0.0 or :: for all of this computer.
    port
        Port; 0 takes any, None the first free one from 8765.
    token
        Secret of the address; random by default.
    """

    daemon_threads = True
    allow_reuse_address = platform != "win32"
    request_queue_size = 128
    """Connections that wait to be accepted; the default of 5 resets most of 60 at once."""

    def __init__(
        self, app: App, *, host: str = "127.0.0.1", port: int | None = None, token: str = ""
    ):
        self.app = app
        self.token = token or new_token()
        self.hosts = names_of(host)
        self._host = host
        self._at_work = Condition()
        self._n_at_work = 0
        self._is_closing = False
        self._listen(host, port)

    def _listen(self, host: str, port: int | None) -> None:
        if port is not None and not 0 <= port <= _HIGHEST_PORT:
            raise OutputError(
                f"There is no port {port}; a number from 0, which takes any free one, to "
                f"{_HIGHEST_PORT} was expected. Give another one with --port."
            )
        ports = [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED)
        problem: OSError | None = None
        for number in ports:
            try:
                found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
                self.address_family = found[0]
                super().__init__((host, number), _Handler)
            except OSError as error:
                problem = error
            else:
                return
        raise OutputError(
            f"Port {ports[0]} of {host} cannot be used ({problem}). A free port of an address of "
            "this computer was expected: give another one with --port, or --port 0 for any."
        ) from problem

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        host = self._host if self._host not in EVERY_ADDRESS else socket.gethostname()
        return f"http://{in_address(host)}:{self.port}/?token={self.token}"

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Count a request that is being answered; yields whether it may still be."""
        with self._at_work:
            may_go_on = not self._is_closing
            self._n_at_work += may_go_on
        try:
            yield may_go_on
        finally:
            with self._at_work:
                self._n_at_work -= may_go_on
                self._at_work.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (inherited)
        """Log that a connection broke off, as when a tab is closed."""
        logger.debug("a connection broke off", exc_info=True)

    def close(self) -> None:
        """Answer what is being answered, then stop and give everything back."""
        self.server_close()
        with self._at_work:
            self._is_closing = True
            self._at_work.wait_for(lambda: self._n_at_work == 0, _LONGEST_ANSWER_S)
        self.app.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open_browser(address: str) -> bool:
    """Open the page where a screen is at hand; return whether a browser took it."""
    is_remote = "SSH_CONNECTION" in environ
    has_screen = platform in ("win32", "darwin") or bool(
        environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    )
    return has_screen and not is_remote and webbrowser.open(address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request after the other of a connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version = "ace_nwb"
    sys_version = ""
    timeout = 120

    def do_GET(self) -> None:
        """Answer a question, or give the page."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        is_page = parts.path == "/"
        given = query.get("token", "") if is_page else self.headers.get(TOKEN_HEADER, "")
        if self._refused(given, is_write=False):
            return
        if is_page:
            self._send_page()
        elif parts.path in self.server.app.reads:
            handler = self.server.app.reads[parts.path]
            self._answer(lambda: handler(query))
        else:
            self._send(_error(404, f"There is nothing at {parts.path[:80]}."))

    def do_POST(self) -> None:
        """Make a change."""
        path = urlsplit(self.path).path
        body = self._read_body()
        if self._refused(self.headers.get(TOKEN_HEADER, ""), is_write=True):
            return
        handler = self.server.app.writes.get(path)
        if handler is None:
            self._send(_error(404, f"There is nothing at {path[:80]}."))
        elif body is None:
            self._send(_error(400, "A JSON object of at most 256 kB was expected."))
        else:
            self._answer(lambda: handler(body))

    def _answer(self, handle: Callable[[], Reply]) -> None:
        """Send what a handler answers, unless the server is closing."""
        with self.server.working() as may_go_on:
            reply = _guarded(handle) if may_go_on else _error(503, "The server is closing.")
        self._send(reply)

    def _read_body(self) -> dict[str, Any] | None:
        """Return the JSON object that was sent; None for anything else."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def _refused(self, given: str, *, is_write: bool) -> bool:
        """Refuse a request that may not pass; return whether it was refused."""
        server = self.server
        given_headers = self.headers
        headers = {name: ", ".join(given_headers.get_all(name, ())) for name in given_headers}
        reason = refusal(
            headers, given=given, token=server.token, hosts=server.hosts, is_write=is_write
        )
        if reason is not None:
            self.close_connection = True
            self._send(_error(403, f"Refused: {reason}."))
        return reason is not None

    def _send_page(self) -> None:
        html, policy = build_page(self.server.app.page, self.server.app.title)
        self._send(Reply(html.encode(), "text/html; charset=utf-8"), policy=policy)

    def _send(self, reply: Reply, *, policy: str = "default-src 'none'") -> None:
        self.send_response(reply.status)
        headers = {
            "Content-Type": reply.kind,
            "Content-Length": str(len(reply.content)),
            "Content-Security-Policy": policy,
            **_HEADERS,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *_args: Any) -> None:
        """Log without the query, which may hold the token."""
        logger.debug("%s %s", self.command, urlsplit(getattr(self, "path", "")).path)


def _guarded(answer: Callable[[], Reply]) -> Reply:
    """Turn our own errors into answers; anything else is told without its details."""
    try:
        return answer()
    except AceNwbError as error:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
        return _error(status, str(error))
    except (KeyError, TypeError, ValueError) as error:
        logger.info("a request was not understood", exc_info=True)
        return _error(400, f"The request is not understood ({type(error).__name__}).")
    except Exception:
        logger.exception("a request failed")
        return _error(500, "The server failed on this request; its log says more.")


def _error(status: int, message: str) -> Reply:
    return json_reply({"error": message}, status)


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
