"""A page served for a test, and the ways to ask it."""

import http.client
import json
from contextlib import contextmanager
from threading import Thread

import numpy as np

from ace_nwb.apps.server import PageServer


class Client:
    """Asks a server as a browser would, or as one should not."""

    def __init__(self, server):
        self.server = server
        named = str(server.server_address[0])
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(named, named)

    def ask(self, path, *, method="GET", token=None, body=None, **headers):
        """Return (status, content, headers)."""
        token = self.server.token if token is None else token
        sent = {"X-Session-Token": token} | {k.replace("_", "-"): v for k, v in headers.items()}
        content = None
        if body is not None:
            sent = {"Content-Type": "application/json"} | sent
            content = body if isinstance(body, bytes) else json.dumps(body)
        connection = http.client.HTTPConnection(self.host, self.server.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host="host" in {name.lower() for name in sent})
            for name, value in sent.items():
                connection.putheader(name, value)
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                connection.putheader("Content-Length", str(len(data)))
                connection.endheaders(data)
            else:
                connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def json(self, path, body=None, **options):
        """Return (status, content) of a question, or of a change if there is a body."""
        method = "GET" if body is None else "POST"
        status, content, _ = self.ask(path, method=method, body=body, **options)
        return status, json.loads(content)

    def arrays(self, path):
        """Return the head of an answer with its arrays by name."""
        status, content, _ = self.ask(path)
        assert status == 200, content
        length = int.from_bytes(content[:4], "little")
        head = json.loads(content[4 : 4 + length])
        for name, one in head.pop("arrays").items():
            count = int(np.prod(one["shape"]))
            values = np.frombuffer(content, f"<{one['type']}", count, 4 + length + one["offset"])
            head[name] = values.reshape(one["shape"])
        return head


@contextmanager
def served(app, *, host="127.0.0.1"):
    """Serve an app on a free port; yields a client."""
    with PageServer(app, host=host, port=0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield Client(server)
        finally:
            server.shutdown()
            thread.join()
