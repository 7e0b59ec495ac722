"""Pull requests, comments -> GitHub's and GitLab's API on loopback, as far as `make comment` and `make propose` ask."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


class Asked(NamedTuple):
    """One request: method, path below the API's URL, and what was told with it."""

    method: str
    path: str
    told: Json


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def _send(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _token(self) -> str:
        return self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")

    def do_GET(self) -> None:
        api, url = self.server.api, urlsplit(self.path)
        told = dict(parse_qsl(url.query))
        length = int(self.headers.get("Content-Length", 0))
        told |= json.loads(self.rfile.read(length)) if length else {}
        api.asked.append(Asked(self.command, url.path, told))
        if self._token() != api.token:
            self._send(401, {})
        elif self.command != "GET":
            self._send(201, {})
        elif (value := api.answers.get(url.path)) is None:
            self._send(404, {})
        else:
            self._send(200, self._part(value, told) if isinstance(value, list) else value)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 (the base class's names)

    @staticmethod
    def _part(value: list[Json], told: Json) -> list[Json]:
        first = (int(told["page"]) - 1) * int(told["per_page"])
        return value[first : first + int(told["per_page"])]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: ForgeApi


class ForgeApi(contextlib.AbstractContextManager["ForgeApi"]):
    """An API that answers GET by path, takes everything else, and notes what it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.token = "secret"  # noqa: S105 (nobody's)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def written(self) -> list[Asked]:
        """What would have changed something."""
        return [one for one in self.asked if one.method != "GET"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
