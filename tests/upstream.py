"""Distributions -> a package index on loopback: the upstream of the tests, which goes wrong on demand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import itertools
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple, Self, get_args
from urllib.parse import quote, unquote

from distributions import Distribution
from packaging.utils import canonicalize_name

JSON = "application/vnd.pypi.simple.v1+json"
NONSENSE = b'\x00\xff{"files": [<!-- neither JSON nor HTML'
Kind = Literal["404", "500", "truncate", "endless", "lie", "slow", "hang", "nonsense", "redirect"]


class Request(NamedTuple):
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class _Fault:
    kind: Kind
    to: str | None
    says: int | None
    times: int | None


@dataclass
class _File:
    project: str
    version: str
    folder: str
    data: bytes
    sidecar: bytes | None
    provenance: bytes | None
    facts: dict[str, Any]  # its object on a JSON page (PEP 691, 700, 714) but for the url


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close joins the threads of all requests
    upstream: Upstream
    connections: set[socket.socket]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):  # a client may leave when it likes
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        upstream = self.server.upstream
        headers = {name.lower(): value for name, value in self.headers.items()}
        upstream.requests.append(Request(self.command, self.path, headers))
        path = unquote(self.path)
        content_type, body = upstream.content(path.removeprefix("/moved"), headers.get("accept", ""))
        if not upstream.admits(headers.get("authorization")):
            self._send(401, 0, [], {"WWW-Authenticate": 'Basic realm="upstream"'})
        elif fault := upstream.fault_at(path):
            self._fail(fault, body or b"", {"Content-Type": content_type})
        elif body is None:
            self._send(404, 0, [], {})
        elif upstream.ranges and (start := headers.get("range", "").removeprefix("bytes=").removesuffix("-")):
            if int(start) < len(body):
                where = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
                self._send(206, len(body) - int(start), [body[int(start) :]], where)
            else:
                self._send(416, 0, [], {"Content-Range": f"bytes */{len(body)}"})
        else:
            self._send(200, len(body), [body], {"Content-Type": content_type})

    do_HEAD = do_GET  # noqa: N815 (the base class's name)

    def _send(self, status: int, length: int | None, chunks: Iterable[bytes], headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        for chunk in chunks if self.command != "HEAD" else ():
            self.wfile.write(chunk)

    def _paced(self, chunks: Iterable[bytes], pause: float) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            if self.server.upstream.stopping.wait(pause):
                return

    def _fail(self, fault: _Fault, body: bytes, headers: dict[str, str]) -> None:
        match fault.kind:
            case "404" | "500":
                self._send(int(fault.kind), 0, [], {})
            case "truncate":
                self._send(200, len(body), [body[: len(body) // 2]], headers)
            case "lie":
                self._send(200, 2 * len(body) if fault.says is None else fault.says, [body], headers)
            case "endless":  # paced, so that a client without a bound does not fill the disk
                chunks = itertools.chain([body], itertools.repeat(bytes(1 << 16)))
                self._send(200, None, self._paced(chunks, 0.001), headers)
            case "slow":
                self._send(200, len(body), self._paced((bytes([byte]) for byte in body), 0.05), headers)
            case "hang":
                self.server.upstream.stopping.wait()
            case "nonsense":
                content_type = JSON if JSON in headers.values() else "text/html"
                self._send(200, len(NONSENSE), [NONSENSE], {"Content-Type": content_type})
            case "redirect":
                self._send(302, 0, [], {"Location": fault.to or f"/moved{self.path}"})


def _identity(filename: str) -> tuple[str, str]:
    if filename.endswith(".whl"):
        name, _, rest = filename.partition("-")
        return canonicalize_name(name), rest.partition("-")[0]
    name, _, version = filename.removesuffix(".tar.gz").rpartition("-")
    return canonicalize_name(name), version


def _anchor(text: str, attributes: dict[str, str | None]) -> str:
    told = (f'{name}="{html.escape(value)}"' for name, value in attributes.items() if value is not None)
    return f"<a {' '.join(told)}>{html.escape(text)}</a><br>\n"


def _file_anchor(file: dict[str, Any]) -> str:
    fragment = "".join(f"#{name}={digest}" for name, digest in file["hashes"].items())
    sidecar = file.get("core-metadata")
    attributes = {
        "href": file["url"] + fragment,
        "data-requires-python": file.get("requires-python"),
        "data-core-metadata": sidecar and f"sha256={sidecar['sha256']}",
        "data-yanked": {True: "", False: None}.get(file["yanked"], file["yanked"]),
        "data-provenance": file.get("provenance"),
    }
    return _anchor(file["filename"], attributes)


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{html.escape(content)}">\n'


def _html(page: dict[str, Any]) -> bytes:
    told = {"status": "pypi:project-status", "reason": "pypi:project-status-reason"}
    status = [_meta(told[key], text) for key, text in page.get("project-status", {}).items()]
    projects = [_anchor(each["name"], {"href": f"{each['name']}/"}) for each in page.get("projects", ())]
    return "".join(["<!DOCTYPE html>\n", *status, *projects, *map(_file_anchor, page.get("files", ()))]).encode()


class Upstream:
    """An index of what was added, at `url` while it runs, with every request it saw in `requests`.

    `json = False` makes it an index of HTML alone; `absolute_urls = True` puts whole URLs on its pages;
    `credentials = (user, password)` makes it ask for them; `ranges = True` has it send files from where a client says
    (RFC 9110); `statuses` are projects' PEP 792 objects, by name.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Make an empty index that does not run yet; tls is what it needs to be `localhost` over HTTPS."""
        self._tls = tls
        self.json = True
        self.absolute_urls = False
        self.credentials: tuple[str, str] | None = None
        self.ranges = False
        self.statuses: dict[str, dict[str, str]] = {}
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._files: dict[str, _File] = {}
        self._faults: dict[str, _Fault] = {}
        self._port = 0
        self._running: tuple[_Server, threading.Thread] | None = None

    @property
    def url(self) -> str:
        """The index URL, as pip takes it; it outlives a stop, and the next start takes the same."""
        return f"{'https://localhost' if self._tls else 'http://127.0.0.1'}:{self._port}/simple/"

    def start(self) -> Self:
        """Serve on a free port, or on the port it had."""
        self.stopping.clear()
        server = _Server(("127.0.0.1", self._port), _Handler)
        if self._tls:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.upstream, server.connections, self._port = self, set(), server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        self._running = server, thread
        return self

    def stop(self) -> None:
        """Go down: refuse connections and end every request under way."""
        if self._running is None:
            return
        (server, thread), self._running = self._running, None
        self.stopping.set()
        server.shutdown()
        thread.join()
        for connection in list(server.connections):  # wakes a thread that waits for its client
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def add(
        self,
        distribution: Distribution,
        *,
        project: str | None = None,
        upload_time: str | None = "2024-01-02T03:04:05.678901Z",
        yanked: bool | str = False,
        requires_python: bool | str = True,
        size: bool | int = True,
        sidecar: bool = True,
        hashes: bool | str = True,
        provenance: bytes | None = None,
    ) -> Distribution:
        """Offer a file; of a fact, True tells it, False leaves it out, another value is told instead."""
        own_project, version = _identity(distribution.filename)
        own_python = message_from_bytes(distribution.metadata)["Requires-Python"]
        metadata = distribution.metadata if sidecar and distribution.filename.endswith(".whl") else None
        facts = {
            "filename": distribution.filename,
            "hashes": {"sha256": distribution.sha256 if hashes is True else hashes} if hashes else {},
            "requires-python": own_python if requires_python is True else requires_python or None,
            "size": len(distribution.data) if size is True else None if size is False else size,
            "upload-time": upload_time,
            "yanked": yanked,
            "core-metadata": metadata and {"sha256": hashlib.sha256(metadata).hexdigest()},
        }
        self._files[distribution.filename] = _File(
            project or own_project,
            version,
            f"/files/{distribution.sha256[:2]}/",
            distribution.data,
            metadata,
            provenance,
            {name: fact for name, fact in facts.items() if fact is not None},
        )
        return distribution

    def remove(self, filename: str) -> None:
        """Take a file off its page and away."""
        del self._files[filename]

    def replace(self, distribution: Distribution) -> None:
        """Swap the bytes of a file; its page and its sidecar stay as they were."""
        self._files[distribution.filename].data = distribution.data

    def fault(
        self,
        where: str,
        kind: Kind | None,
        *,
        to: str | None = None,
        says: int | None = None,
        times: int | None = None,
    ) -> None:
        """Break a file or sidecar, by its name, or a page, by its path such as /simple/alpha/; None mends it.

        `to` is where "redirect" leads (default: to what was asked for), `says` the Content-Length of "lie", `times` how
        many requests it breaks (default: all).
        """
        self._faults.pop(where, None)
        if kind is not None:
            if kind not in get_args(Kind):
                raise ValueError(kind)
            self._faults[where] = _Fault(kind, to, says, times)

    def file_requests(self) -> list[str]:
        """Return the names of the wheels and sdists, not of what stands beside them, that were asked for, in order."""
        paths = [unquote(request.path) for request in self.requests if request.path.startswith("/files/")]
        return [path.split("/", 3)[3] for path in paths if not path.endswith((".metadata", ".provenance"))]

    def page_requests(self) -> list[str]:
        """Return the paths of the pages that were asked for, in order."""
        return [request.path for request in self.requests if request.path.startswith("/simple/")]

    def admits(self, authorization: str | None) -> bool:
        """Say whether a request with this header may pass (RFC 7617)."""
        if self.credentials is None:
            return True
        return authorization == "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()

    def fault_at(self, path: str) -> _Fault | None:
        """Return what is to go wrong with a path, this time."""
        fault = self._faults.get(path) or self._faults.get(path.split("/", 3)[-1])
        if fault and fault.times is not None:
            fault.times -= 1
        return None if fault and fault.times is not None and fault.times < 0 else fault

    def content(self, path: str, accept: str) -> tuple[str, bytes | None]:
        """Return the content type and the bytes at a path, or None for bytes where nothing is."""
        if path.startswith("/files/"):
            held: dict[str, bytes | None] = {}
            for name, file in self._files.items():
                held |= {file.folder + name: file.data, f"{file.folder}{name}.metadata": file.sidecar}
                held |= {f"{file.folder}{name}.provenance": file.provenance}
            return "application/octet-stream", held.get(path)
        page = self._page(path)
        if self.json and JSON in accept:
            return JSON, json.dumps(page).encode() if page else None
        return "text/html", _html(page) if page else None

    def _page(self, path: str) -> dict[str, Any] | None:
        pages = {f"/simple/{file.project}/": file.project for file in self._files.values()}
        meta = {"meta": {"api-version": "1.1"}}
        if path == "/simple/":
            return {**meta, "projects": [{"name": project} for project in sorted(pages.values())]}
        if path not in pages:
            return None
        held = [file for file in self._files.values() if file.project == pages[path]]
        base = self.url.removesuffix("/simple/") if self.absolute_urls else "../.."
        files = [{**f.facts, "url": base + f.folder + quote(f.facts["filename"], safe="")} for f in held]
        for file, each in zip(files, held, strict=True):
            file |= {"provenance": f"{file['url']}.provenance"} if each.provenance else {}
        versions = sorted({file.version for file in held})
        status = {"project-status": self.statuses[pages[path]]} if pages[path] in self.statuses else {}
        return {**meta, **status, "name": pages[path], "versions": versions, "files": files}
