"""A server of ours -> the same with something in between that changes what it sends, as a proxy or a cache may."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Sent:
    """What was asked (path below the top, header fields in lower case), and what is sent for it."""

    path: str
    asked: dict[str, str]
    status: int
    fields: dict[str, str]
    body: bytes

    def having(self, **fields: str | None) -> Sent:
        """Return it with other header fields: `Cache_Control="no-cache"`; None removes one."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        kept = {name: value for name, value in self.fields.items() if name.lower() not in {*map(str.lower, named)}}
        return replace(self, fields=kept | {name: value for name, value in named.items() if value is not None})


Change = Callable[[Sent], Sent]


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        asked = {name.lower(): value for name, value in self.headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.request("GET", self.path.removeprefix(self.server.prefix), headers=dict(self.headers.items()))
            response = connection.getresponse()
            fields: dict[str, str] = {}
            for name, value in response.getheaders():
                fields[name] = ", ".join(filter(None, [fields.get(name), value]))
            path = self.path.removeprefix(f"{self.server.prefix}/")
            self._send(self.server.change(Sent(path, asked, response.status, fields, response.read())))
        finally:
            connection.close()

    def _send(self, sent: Sent) -> None:
        self.send_response_only(sent.status)
        for name, value in sent.fields.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if sent.status != 304:
            self.send_header("Content-Length", str(len(sent.body)))
        self.end_headers()
        self.wfile.write(sent.body)


@contextmanager
def between(url: str, change: Change, prefix: str = "") -> Iterator[str]:
    """Serve what the server at url (an index URL) serves, changed and below a prefix; yields the index URL."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.port, server.prefix, server.change = urlsplit(url).port, prefix, change
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
