"""Advisories -> the services that pip-audit asks, on loopback: OSV's query API, and PyPI's JSON behind a proxy.

PyPI's address cannot be configured. pip-audit is led here by a proxy, which answers for any host with a certificate of
its own making.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

from authority import Authority

Pin = tuple[str, str]


def osv(name: str, number: str, *, aliases: list[str] | None = None, fixed: str = "9", **more: Any) -> dict[str, Any]:
    """Return an advisory as OSV's schema has it."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {
        "package": {"name": name, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": number, "aliases": aliases or [], "summary": "It\nis bad.", "affected": [affected], **more}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: AdvisoryService

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client may leave when it likes


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body go together, or the client's system waits 40 ms before it confirms the first

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def _send(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Answer as OSV: an object without anything where no advisory is known."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pin = query["package"]["name"], query["version"]
        service = self.server.service
        service.asked.append(pin)
        known = service.advisories.get(pin)
        match service.fault if service.fault_of in {None, pin} else None:
            case "500":
                self._send(500)
            case "nonsense":
                self._send(200, b"<html>Please log in.")
            case "truncate":
                self._send(200, b"{", 1000)
                self.close_connection = True
            case "strange":
                self._send(200, b'{"message": "no"}')
            case "hang":
                service.stopping.wait()
            case _:
                self._send(200, json.dumps({"vulns": known} if known else {}).encode())

    def do_CONNECT(self) -> None:
        """Be the host that is asked for."""
        context = self.server.service.authority.context(self.path.partition(":")[0])
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False  # some clients ask in HTTP/1.0

    def finish(self) -> None:
        """Close what CONNECT made of the socket, too."""
        super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        """Answer as PyPI: not found for what is not there."""
        _, _, name, version, _ = self.path.split("/")
        known = self.server.service.advisories.get((name, version))
        if known is None:
            self._send(404)
        else:
            self._send(200, json.dumps({"vulnerabilities": known}).encode())


class AdvisoryService(contextlib.AbstractContextManager["AdvisoryService"]):
    """A service that knows the advisories of some pins, goes wrong as `fault` says, and notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.advisories: dict[Pin, list[dict[str, Any]]] = {}
        self.asked: list[Pin] = []
        self.fault: Literal["500", "nonsense", "truncate", "strange", "hang"] | None = None
        self.fault_of: Pin | None = None  # all of them
        self.stopping = threading.Event()
        self.authority = Authority(folder)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where queries are posted."""
        return f"http://127.0.0.1:{self._server.server_port}/v1/query"

    @property
    def proxy(self) -> Mapping[str, str]:
        """The environment, as pip has it, in which every host is this service."""
        return {
            "PIP_PROXY": f"http://127.0.0.1:{self._server.server_port}",
            "PIP_CERT": str(self.authority.path),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
