"""Who may ask the server, and what it never gives away."""

import logging
import socket
from threading import Thread
from urllib.parse import urlsplit

import pytest

from ace_nwb.apps.app import App, array_reply, json_reply
from ace_nwb.apps.server import PageServer, refusal
from ace_nwb.errors import CurationError, OutputError, SessionLockedError
from tests.apps.serving import Client, served


def fail(error):
    raise error


@pytest.fixture(scope="module")
def writes():
    return []


@pytest.fixture(scope="module")
def client(writes):
    app = App(
        page="crop",
        title="<b>&title",
        reads={
            "/api/echo": lambda query: json_reply({"query": dict(query)}),
            "/api/locked": lambda _query: fail(SessionLockedError("busy")),
            "/api/wrong": lambda query: json_reply(query["absent"]),
            "/api/broken": lambda _query: fail(RuntimeError("secret path")),
        },
        writes={
            "/api/write": lambda body: writes.append(body) or json_reply({"done": True}),
            "/api/refuse": lambda _body: fail(CurationError("not possible")),
        },
    )
    with served(app) as client:
        yield client


def test_page_loads_nothing_from_elsewhere_and_escapes_its_title(client):
    status, content, headers = client.ask(f"/?token={client.server.token}", token="")
    assert status == 200
    html = content.decode()
    assert "&lt;b&gt;&amp;title" in html
    assert "http" not in html.replace("http-equiv", "")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    nonce = policy.partition("nonce-")[2].partition("'")[0]
    assert html.count(f'nonce="{nonce}"') == html.count("<script") + html.count("<style")
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers or "Python" not in headers["Server"]


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/api/echo", "/nothing"])
def test_nothing_is_given_without_the_token(client, path):
    for token in ("", "wrong"):
        status, content, _ = client.ask(path, token=token)
        assert status == 403
        assert client.server.token.encode() not in content


def test_token_in_the_address_opens_the_page_but_no_question(client):
    status, _, _ = client.ask(f"/api/echo?token={client.server.token}", token="")
    assert status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"origin": "http://evil.example"},
        {"host": "evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"Host": "127.0.0.1", "host": "evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_hosts_and_origins_are_refused_even_with_the_token(client, writes, headers):
    assert client.ask("/api/echo", **headers)[0] == 403
    assert client.ask("/api/write", method="POST", body={}, **headers)[0] == 403
    assert writes == []


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:1", "LOCALHOST"])
def test_a_forwarded_port_may_have_any_number(client, host):
    assert client.ask("/api/echo?a=1", Host=host)[0] == 200
    assert client.ask("/api/echo", Host=host, Origin=f"http://{host}")[0] == 200


def test_names_of_headers_have_no_case(client):
    assert client.ask("/api/echo", host="127.0.0.1:1", origin="http://127.0.0.1:1")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost", "::1", "::"])
def test_a_page_is_reached_at_every_address_that_its_host_promises(host):
    app = App("crop", "t", {"/api/echo": lambda _query: json_reply({})})
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        if ":" in host:
            pytest.skip("no IPv6 here")
    with served(app, host=host) as client:
        names = {"::1": ["[::1]:80"], "0.0.0.0": ["192.0.2.7:80", socket.gethostname().upper()]}
        for name in ["localhost:80", urlsplit(client.server.address).netloc, *names.get(host, [])]:
            assert client.ask("/api/echo", Host=name)[0] == 200, name
        assert client.ask("/api/echo", Host="evil.example")[0] == 403


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_does_not_exist_is_refused_by_its_number(port):
    with pytest.raises(OutputError, match=f"no port {port}"):
        PageServer(App("crop", "t", {}), port=port)


def test_sixty_requests_at_once_are_all_answered():
    app = App("crop", "t", {"/api/echo": lambda _query: json_reply({})})
    server = PageServer(app, port=0)
    connections = [
        socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(60)
    ]  # before anybody accepts: the system keeps what the backlog holds
    head = f"GET /api/echo HTTP/1.1\r\nHost: localhost\r\nX-Session-Token: {server.token}\r\n\r\n"
    for connection in connections:
        connection.sendall(head.encode())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        answers = [connection.recv(12) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
        server.shutdown()
        thread.join()
        server.close()
    assert answers == [b"HTTP/1.1 200"] * 60


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/api/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/static/style.css",
        "/api/echo/../../pyproject.toml",
        "/api/image?name=../../../../etc/passwd",
        "/session.nwb",
        "file:///etc/passwd",
        "/\\..\\..",
    ],
)
def test_no_path_leads_to_a_file(client, path):
    status, content, _ = client.ask(path)
    assert status == 404
    assert b"root:" not in content


def test_changes_are_posted_as_json_with_the_token(client, writes):
    assert client.ask("/api/write")[0] == 404
    assert client.ask("/api/write", method="POST", body={}, token="")[0] == 403
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert client.ask("/api/write", method="POST", body=b"a=1", **form)[0] == 403
    assert client.ask("/api/write", method="POST", body=b"{")[0] == 400
    assert client.ask("/api/write", method="POST", body=b"[1]")[0] == 400
    assert client.ask("/api/write", method="POST", body=b"[" * 50_000)[0] == 400
    assert client.ask("/api/write", method="POST", body=b" " * 300_000 + b"{}")[0] == 400
    assert client.ask("/api/echo", method="POST", body={})[0] == 404
    assert client.ask("/api/write", method="PUT", body={})[0] == 501
    assert writes == []
    assert client.json("/api/write", {"a": 1}) == (200, {"done": True})
    assert writes == [{"a": 1}]


def test_errors_say_what_to_do_and_give_no_inside_away(client, caplog):
    assert client.json("/api/locked") == (503, {"error": "busy"})
    assert client.json("/api/refuse", {}) == (409, {"error": "not possible"})
    assert client.json("/api/wrong")[0] == 400
    with caplog.at_level(logging.CRITICAL):
        status, content = client.json("/api/broken")
    assert status == 500
    assert "secret" not in content["error"]


def test_another_address_is_accepted_only_under_its_own_name():
    ask = {"given": "t", "token": "t", "is_write": False}
    hosts = ("127.0.0.1", "lab-server")
    assert refusal({"Host": "lab-server:8765"}, hosts=hosts, **ask) is None
    assert "not one of" in str(refusal({"Host": "other:8765"}, hosts=hosts, **ask))


def test_every_server_has_a_token_of_its_own_and_listens_on_this_computer_only():
    app = App("crop", "t", {})
    with PageServer(app, port=0) as first, PageServer(app, port=0) as second:
        assert first.token != second.token
        assert len(first.token) >= 32
        assert first.server_address[0] == "127.0.0.1"
        assert first.address.startswith("http://127.0.0.1:")
        with pytest.raises(OutputError, match="--port"):
            PageServer(app, port=first.port)


def test_closing_server_closes_its_page():
    closed = []
    with PageServer(App("crop", "t", {}, close=lambda: closed.append(True)), port=0) as server:
        assert Client(server)
    assert closed == [True]


def test_arrays_come_with_type_shape_and_place():
    import numpy as np

    reply = array_reply({"a": np.arange(3, dtype=np.uint8), "b": np.eye(2)}, note=np.nan)
    length = int.from_bytes(reply.content[:4], "little")
    assert (4 + length) % 8 == 0
    assert b'"note": null' in reply.content[: 4 + length]
    assert np.frombuffer(reply.content, "<f8", 4, 4 + length + 8).tolist() == [1, 0, 0, 1]
