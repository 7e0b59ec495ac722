"""caddy/Caddyfile under abuse: whatever some clients do, others are served, within bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from caddyfile_test import CADDYFILE, DRAIN, SECRET, WHEEL, Server, caddy, fill_pool, plant_secrets, publish

# What Caddy has at rest is some 60 MB, most of it the program itself. 500 connections with a header field of 16 kB and
# Go's buffers of 4 kB each way would be 12 MB more; 300 stalled downloads measure 10 MB, 100 encoders of zstd 300 MB.
MOST_KB = 160_000
MANY = 500
BIG = "big-1-py3-none-any.whl"
BIG_SIZE = 1 << 26
SMALL = "/packages/foo-1-py3-none-any.whl"


def peak_kb(server: Server) -> int:
    """Return the most memory that the server had at any time (proc(5), VmHWM)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, status
    return int(found[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a big wheel and a long list with its twin."""
    folder = tmp_path_factory.mktemp("abuse")
    root = folder / "pypi"
    publish(root, "r1")
    fill_pool(root)
    plant_secrets(root)
    with (root / "packages" / BIG).open("wb") as file:
        file.truncate(BIG_SIZE)
    lines = hashlib.shake_128().digest(1 << 24)  # nothing that a compressor would make fit into a socket's buffer
    (root / "releases/r1/files.jsonl").write_bytes(lines)
    (root / "releases/r1/files.jsonl.gz").write_bytes(gzip.compress(lines, 0))
    with caddy(root, folder, home=folder) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """Whatever a test does to it, it is well in the end."""
    yield running
    assert serves(running)
    assert peak_kb(running) < MOST_KB


def serves(server: Server) -> bool:
    """Ask for what readers ask for."""
    pages = [server.ask(page).status for page in ("/healthz", "/simple/", "/simple/foo/", "/project/foo/")]
    return pages == [200] * 4 and server.ask(SMALL).body == WHEEL


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=DRAIN)


@contextmanager
def crowd(server: Server, many: int, *said: bytes) -> Iterator[list[socket.socket]]:
    """Connect many clients, each of which says one of these things, and nothing more."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(many)]
        for number, client in enumerate(clients):
            client.sendall(said[number % len(said)])
        yield clients


def reply(server: Server, *said: bytes) -> bytes:
    """Say something and then nothing; returns all that comes until the server closes."""
    with connect(server) as client:
        try:
            for one in said:
                client.sendall(one)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough
        return received(client)


def received(client: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def status_of(answer: bytes) -> int:
    """Return the status; 0 where the server closed without a word."""
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found[1]) if found else 0


def get(target: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: pypi", *fields, "", ""]).encode("latin-1")


# Clients that do not go on


def test_hundreds_of_half_open_requests_keep_nobody_out(server: Server) -> None:
    whole = get("/simple/foo/", f"X: {'x' * 8000}")
    with crowd(server, MANY, b"", b"G", b"GET /simple/", whole[:40], whole[:-1]) as clients:
        for _ in range(20):
            assert serves(server)
        # Those who go on are served too.
        clients[-1].sendall(whole[-1:])
        assert clients[-1].recv(15) == b"HTTP/1.1 200 OK"


def test_bodies_that_never_come_keep_nobody_out(server: Server) -> None:
    endless = b"POST /simple/ HTTP/1.1\r\nHost: pypi\r\nContent-Length: 99999999999\r\n"
    chunked = b"PUT /simple/ HTTP/1.1\r\nHost: pypi\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\nx"
    with crowd(server, MANY, endless + b"\r\n", endless + b"Expect: 100-continue\r\n\r\n", chunked):
        assert serves(server)


def test_readers_that_stall_hold_no_memory(server: Server) -> None:
    wheel = [get(f"/packages/{BIG}")]
    lists = [
        get("/files.jsonl", f"Accept-Encoding: {each}") for each in ("gzip", "zstd", "br", "identity", "zstd, gzip")
    ]
    with crowd(server, 300, *wheel, *lists) as clients:
        assert {client.recv(15) for client in clients} == {b"HTTP/1.1 200 OK"}
        assert serves(server)


def test_a_header_that_comes_byte_by_byte_is_cut_off_in_the_end(tmp_path: Path) -> None:
    root, impatient = tmp_path / "pypi", tmp_path / "Caddyfile"
    publish(root, "r1")
    impatient.write_text(CADDYFILE.read_text().replace("read_header 10s", "read_header 500ms"))
    with caddy(root, tmp_path, home=tmp_path, caddyfile=impatient) as server, connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: pypi\r\nX: ")
        client.settimeout(0.01)
        # Were the time counted from the last byte, it would go on until the header is too large.
        sent = 0
        while True:
            try:
                client.sendall(b"x")
                sent += 1
                assert client.recv(1) == b""
                break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        assert 0 < sent < 2000


# Requests that are too much


@pytest.mark.parametrize(
    "fields",
    [
        [f"X: {'x' * 1_000_000}"],
        [f"X-{number}: {'x' * 100}" for number in range(10_000)],
        [f"Cookie: {'x=1; ' * 10_000}"],
        [f"Accept: {'text/html;q=0.5,' * 10_000}"],
        [f"If-None-Match: {'W/x, ' * 10_000}"],
    ],
    ids=["one field", "many fields", "cookies", "accept", "etags"],
)
def test_a_huge_header_is_refused(server: Server, fields: list[str]) -> None:
    assert status_of(reply(server, get("/simple/foo/", *fields))) in (0, 431)
    with crowd(server, 20, b"GET / HTTP/1.1\r\nHost: pypi\r\nX: " + b"x" * 10_000):
        assert serves(server)


def test_a_header_as_large_as_a_browser_behind_a_log_in_sends_is_no_obstacle(server: Server) -> None:
    assert server.ask("/simple/foo/", {"Cookie": "x" * 8000, "Accept": f"text/html{', a/b' * 500}"}).status == 200


LONG = {
    "one long name": f"/{'x' * 10_000}",
    "a long name in the pool": f"/packages/{'x' * 10_000}.whl",
    "a long project": f"/simple/{'x' * 10_000}/",
    "a long project in capitals": f"/simple/{'X.' * 4000}/",
    "many segments": "/x" * 5000,
    "many dots": f"/packages{'/..' * 3000}/secret.txt",
    "many escaped dots": f"/packages{'/%2e%2e' * 1500}/secret.txt",
    "many slashes": f"{'/' * 10_000}secret.txt",
    "many backslashes": f"/packages{'/..%5c' * 1500}secret.txt",
    "a long question": f"/gone?{'x=1&' * 2500}",
    "overlong dots": "/packages/%c0%ae%c0%ae/%c0%ae%c0%ae/secret.txt",
    "wide dots": "/packages/%u002e%u002e/secret.txt",
    "doubly escaped dots": "/packages/%252e%252e/%252e%252e/secret.txt",
    "a NUL": f"{SMALL}%00.whl",
    "a NUL before": "/packages/%00foo-1-py3-none-any.whl",
    "half an escape": "/packages/foo%",
    "a colon": "/packages/c:%5csecret.txt",
    "a stream": f"{SMALL}::$DATA",
    "a template": "/simple/[[env%20PYPI_ROOT]]/",
    "a placeholder": "/simple/%7Benv.PYPI_ROOT%7D/",
    "no UTF-8": "/simple/\xff\xfe/",
}


@pytest.mark.parametrize("target", LONG.values(), ids=LONG)
def test_a_strange_target_is_a_short_refusal(server: Server, target: str) -> None:
    for accept in ("*/*", "text/html,application/xhtml+xml"):
        answer = reply(server, get(target, f"Accept: {accept}", "Connection: close"))
        assert status_of(answer) in (400, 404)
        assert len(answer) < 4000
        assert SECRET.encode() not in answer
        assert str(server.root).encode() not in answer


# Requests that are none


MALFORMED = {
    "nothing": b"",
    "line ends": b"\r\n\r\n\r\n",
    "no target": b"GET\r\n\r\n",
    "no version": b"GET /simple/\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "zeros": bytes(1_000_000),
    "line ends without end": b"\n" * 100_000,
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host that is none": b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n",
    "a negative length": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a huge length": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "an unknown coding": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a NUL in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "a space behind a name": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a line that goes on": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "half a line end": b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target without a start": b"GET simple/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "an address that is none": b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that is none": b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long method": b"X" * 10_000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_is_refused_or_gets_no_answer(server: Server, said: bytes) -> None:
    answer = reply(server, said)
    assert status_of(answer) in (0, 400, 405, 431, 501, 505), answer[:200]
    assert len(answer) < 2000


def test_requests_in_one_breath_are_answered_in_their_order(server: Server) -> None:
    targets = ["/healthz", "/gone", SMALL, "/simple/foo"] * 100
    answer = reply(server, *map(get, targets))
    assert list(map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", answer))) == [200, 404, 200, 308] * 100


# Ranges


def ranges(many: Sequence[str]) -> str:
    return f"Range: bytes={','.join(many)}"


APART = [f"{start}-{start + 1}" for start in range(0, 10_000, 10)]
RANGES = {
    "all, many times": (ranges(["0-"] * 4000), 200),
    "overlapping": (ranges([f"{start}-" for start in range(2000)]), 200),
    "many apart": (ranges(APART), 206),
    "one byte, many times": (ranges(["0-0"] * 3000), 206),
    "the end before the start": (ranges(["5-1"]), 416),
    "behind the end": (ranges([f"{BIG_SIZE}-"]), 416),
    "a number without end": (ranges([f"0-{'9' * 4000}"]), 416),
    "no numbers": (ranges(["x-y"]), 416),
    "negative": (ranges(["--1"]), 416),
    "another unit": ("Range: lines=0-1", 416),
    "nothing": ("Range: ", 200),
}


@pytest.mark.parametrize(("field", "status"), RANGES.values(), ids=RANGES)
def test_strange_ranges_are_answered_within_bounds(server: Server, field: str, status: int) -> None:
    with crowd(server, 100, get(f"/packages/{BIG}", field)) as clients:
        assert {status_of(client.recv(15)) for client in clients} == {status}
        assert serves(server)


def test_many_ranges_send_no_more_than_they_ask_for(server: Server) -> None:
    answer = reply(server, get(f"/packages/{BIG}", ranges(APART), "Connection: close"))
    assert answer.count(b"Content-Range: ") == len(APART)
    assert len(answer) < 300 * len(APART)
