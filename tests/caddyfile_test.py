"""Tests of caddy/Caddyfile: a real Caddy on loopback, over folders as a publish leaves them."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import string
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urljoin

import pytest
from project import CODE, find_caddy, free_port

CADDYFILE = CODE / "caddy" / "Caddyfile"
PAGE = "<!DOCTYPE html><title>{0}</title>" + "<a href='../../packages/foo-1-py3-none-any.whl'>foo</a>" * 40
TWIN = "the compressed twin: "
NOT_HERE = (
    '<!DOCTYPE html><a href="[[placeholder "http.vars.top"]]">top</a>'
    '[[with placeholder "http.vars.project"]]<b>[[.]]</b>[[else]]no page[[end]]'
)
V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
TEXT = "text/html; charset=utf-8"
VARY = "Accept, Accept-Encoding"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
WHEEL = bytes(range(256)) * 32
SECRET = "only for the one who runs this"  # noqa: S105
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
NO_CACHE = "no-cache"
NO_STORE = "no-store"
A_YEAR = "public, max-age=31536000, immutable"
DRAIN = 5.0  # seconds that a poll or a read may take before the test fails


class Answer(NamedTuple):
    """A response: status, header fields in lower case without Date, body as sent."""

    status: int
    fields: dict[str, str]
    body: bytes


class Server(NamedTuple):
    """A Caddy that runs, and the PYPI_ROOT that it serves."""

    port: int
    root: Path
    process: subprocess.Popen[bytes]

    def ask(
        self, target: str, fields: Mapping[str, str] | None = None, *, method: str = "GET", host: str = "pypi"
    ) -> Answer:
        """Send one request; the target goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DRAIN)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": host, **(fields or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            return answer(connection.getresponse())
        finally:
            connection.close()


def answer(response: http.client.HTTPResponse) -> Answer:
    fields: dict[str, str] = {}
    for name, value in response.getheaders():  # a field may come twice, as Vary does
        fields[name.lower()] = ", ".join(filter(None, [fields.get(name.lower()), value]))
    fields.pop("date", None)
    return Answer(response.status, fields, response.read())


def can_connect(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def wait_for(process: subprocess.Popen[bytes], address: str, port: int) -> None:
    end = time.monotonic() + 10
    while not can_connect(address, port):
        assert process.poll() is None, "Caddy ended"
        assert time.monotonic() < end, "Caddy does not listen"
        time.sleep(0.01)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    # Of one time, as files made by two publishes within one second may be.
    os.utime(path, (1_700_000_000, 1_700_000_000))


def json_page(release: str) -> str:
    """Return a page of the size of its twin in HTML."""
    start = json.dumps({"release": release})
    return start + " " * (len(PAGE.format(release)) - len(start))


def publish(root: Path, release: str, etag: str = 'W/"sha-{0}"') -> None:
    """Make a release whose pages differ from those of another in nothing but its id; switch to it."""
    folder = root / "releases" / release
    for page in ("index.html", "simple/index.html", "simple/foo/index.html", "project/foo/index.html"):
        write(folder / page, PAGE.format(release))
        write(folder / f"{page}.etag", etag.format(release))
    for page in ("simple/index.json", "simple/foo/index.json"):
        write(folder / page, json_page(release))
        write(folder / f"{page}.etag", etag.format(f"json-{release}"))
    for page, form in {"index.html": PAGE.format(release), "index.json": json_page(release)}.items():
        place = folder / "simple" / "big-one" / page
        write(place, form)
        write(place.with_name(f"{page}.gz"), gzip.compress(f"{TWIN}{form}".encode(), mtime=0))
        for name in (f"{page}.etag", f"{page}.gz.etag"):
            write(place.with_name(name), etag.format(f"big-{page}-{release}"))
    write(folder / "site.js", "'use strict';\n" * 40)
    write(folder / "provenance" / "foo-1-py3-none-any.whl.json", '{"version": 1}' * 40)
    write(folder / "not-here.html", NOT_HERE)
    write(folder / "release.txt", f"{release}\n")
    write(folder / "files.jsonl", f'{{"release": "{release}"}}\n' * 40)
    write(folder / "packages.json", f'{{"release": "{release}"}}\n' * 40)
    write(folder / "sbom.cdx.json", f'{{"release": "{release}"}}\n' * 40)
    if not (folder / "packages").is_symlink():
        (folder / "packages").symlink_to("../../packages")
    switch(root, release)


def switch(root: Path, release: str) -> None:
    new = root / "web.new"
    new.symlink_to(f"releases/{release}")
    new.rename(root / "web")


def fill_pool(root: Path) -> None:
    pool = root / "packages"
    for name in ("foo-1-py3-none-any.whl", "foo-1!2.0+cu12-py3-none-any.whl", "foo-1.tar.gz", "foo-1.zip"):
        write(pool / name, WHEEL)
    write(pool / "foo-1-py3-none-any.whl.metadata", "Metadata-Version: 2.4\n" * 100)
    for name in (".hidden.whl", "notes.txt", "foo.whl.part", "packages/foo-1-py3-none-any.whl"):
        write(pool / name, SECRET)


def plant_secrets(root: Path) -> None:
    for name in ("secret.txt", "retired/old-1-py3-none-any.whl", "bin/Caddyfile"):
        write(root / name, SECRET)
    for name in (".git/config", ".env", "simple/.hidden/index.html", "simple/foo/.index.html"):
        write(root / "releases" / "r1" / name, SECRET)
    write(root.parent / "secret.txt", SECRET)


@contextmanager
def caddy(
    root: Path | None,
    cwd: Path,
    *,
    host: str | None = "127.0.0.1",
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
    caddyfile: Path = CADDYFILE,
    home: Path | None = None,
) -> Iterator[Server]:
    """Run Caddy with nothing in its environment but what the Caddyfile reads."""
    port = free_port()
    env = {"LISTEN": f"{host or ''}:{port}", "CADDY": find_caddy()}
    env |= {"PYPI_ROOT": str(root)} if root else {}
    env |= {"HOME": str(home)} if home else {}
    command = (CODE / "caddy" / "caddy", "run", "--config", str(caddyfile), "--adapter", "caddyfile")
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
    try:
        wait_for(process, (host or "127.0.0.1").strip("[]"), port)
        yield Server(port, root or cwd / "pypi", process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("caddy")
    # A dot and a space above the folder must change nothing.
    root = folder / ".shared folder" / "pypi"
    publish(root, "r1")
    fill_pool(root)
    plant_secrets(root)
    with caddy(root, folder, home=folder) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "pypi"
    publish(root, "r1")
    fill_pool(root)
    return root


@pytest.fixture(scope="module")
def adapted() -> Any:
    """The Caddyfile as Caddy reads it, with no variable set."""
    command = (find_caddy(), "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile")
    return json.loads(subprocess.run(command, check=True, capture_output=True, env={}).stdout)


def find(config: Any, handler: str) -> list[Any]:
    """All handlers of a kind in an adapted Caddyfile."""
    if isinstance(config, dict):
        here = [config] if config.get("handler") == handler else []
        return here + [found for value in config.values() for found in find(value, handler)]
    return [found for value in config for found in find(value, handler)] if isinstance(config, list) else []


# The file


def test_caddy_fmt_changes_nothing() -> None:
    command = (find_caddy(), "fmt", "--diff", str(CADDYFILE))
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert [line for line in result.stdout.splitlines() if line[:1] in ("-", "+")] == []
    assert result.returncode == 0


def test_caddy_validate_accepts_it(tmp_path: Path) -> None:
    command = (find_caddy(), "validate", "--config", str(CADDYFILE), "--adapter", "caddyfile")
    env = {"HOME": str(tmp_path)}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert result.stdout == "Valid configuration\n"
    assert [line for line in result.stderr.splitlines() if '"level":"info"' not in line] == []


def test_nothing_but_http_is_offered(adapted: Any) -> None:
    assert adapted["admin"] == {"disabled": True, "config": {"persist": False}}
    assert adapted["apps"]["tls"] == {"disable_storage_check": True, "disable_storage_clean": True}
    (served,) = adapted["apps"]["http"]["servers"].values()
    assert served["automatic_https"] == {"disable": True}
    assert served["protocols"] == ["h1"]
    assert served["listen"] == [":8000"]


def test_time_outs_cut_a_stalled_client_and_not_a_slow_one(adapted: Any) -> None:
    (served,) = adapted["apps"]["http"]["servers"].values()
    second = 1_000_000_000
    assert {key: value for key, value in served.items() if key.endswith("_timeout")} == {
        "read_header_timeout": 10 * second,
        "read_idle_timeout": 10 * second,
        "write_idle_timeout": 600 * second,
        "idle_timeout": 120 * second,
    }
    assert adapted["apps"]["http"]["grace_period"] == 30 * second


def test_types_do_not_depend_on_the_machine(adapted: Any) -> None:
    fields = [x["response"].get("set", {}) for x in find(adapted, "headers") if "response" in x]
    assert {x["Content-Type"][0] for x in fields if "Content-Type" in x} == {
        "application/octet-stream",
        "application/zip",
        "application/gzip",
        "text/plain; charset=utf-8",
        "application/jsonl",
        "application/vnd.cyclonedx+json",
        V1_JSON,
        V1_HTML,
        TEXT,
    }


def test_the_access_log_is_json_on_a_terminal_too(adapted: Any) -> None:
    assert adapted["logging"]["logs"]["log0"]["encoder"] == {"format": "json"}


# Caching


@pytest.mark.parametrize("target", ["/", "/project/foo/", "/simple/", "/simple/foo/", "/simple/foo/index.html"])
def test_a_page_is_asked_for_again_each_time(server: Server, target: str) -> None:
    page = PAGE.format("r1").encode()
    fields = {
        "cache-control": NO_CACHE,
        "content-length": str(len(page)),
        "content-type": TEXT,
        "etag": 'W/"sha-r1"',
        "vary": VARY if target.startswith("/simple/") else "Accept-Encoding",
    }
    assert server.ask(target) == Answer(200, fields | SECURITY, page)


@pytest.mark.parametrize(
    ("target", "content_type"),
    [
        ("/release.txt", "text/plain; charset=utf-8"),
        ("/files.jsonl", "application/jsonl"),
        ("/packages.json", "application/json"),
        ("/sbom.cdx.json", "application/vnd.cyclonedx+json"),
        ("/provenance/foo-1-py3-none-any.whl.json", "application/json"),
        ("/site.js", "text/javascript; charset=utf-8"),
    ],
)
def test_what_has_no_etag_file_changes_with_the_release(server: Server, target: str, content_type: str) -> None:
    content = (server.root / "web" / target[1:]).read_bytes()
    fields = {
        "cache-control": NO_CACHE,
        "content-length": str(len(content)),
        "content-type": content_type,
        "etag": 'W/"r1"',
        "vary": "Accept-Encoding",
    }
    assert server.ask(target) == Answer(200, fields | SECURITY, content)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("foo-1-py3-none-any.whl", "application/octet-stream"),
        ("foo-1!2.0+cu12-py3-none-any.whl", "application/octet-stream"),
        ("foo-1-py3-none-any.whl.metadata", "text/plain; charset=utf-8"),
        ("foo-1.tar.gz", "application/gzip"),
        ("foo-1.zip", "application/zip"),
    ],
)
def test_a_distribution_is_kept_for_a_year_as_it_is(server: Server, name: str, content_type: str) -> None:
    content = (server.root / "packages" / name).read_bytes()
    status, fields, body = server.ask(f"/packages/{name}", {"Accept-Encoding": "gzip, zstd"})
    strong = fields.pop("etag")
    assert (status, strong[0], body) == (200, '"', content)
    assert fields == SECURITY | {
        "accept-ranges": "bytes",
        "cache-control": A_YEAR,
        "content-length": str(len(content)),
        "content-type": content_type,
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "vary": "Accept-Encoding",
    }


@pytest.mark.parametrize(
    ("method", "target", "fields", "status", "body"),
    [
        ("GET", "/packages/gone-1-py3-none-any.whl", {}, 404, b"404 Not Found\n"),
        ("GET", "/packages/gone-1.tar.gz", {}, 404, b"404 Not Found\n"),
        ("GET", "/packages/", {}, 404, b"404 Not Found\n"),
        ("GET", "/simple/gone/", {}, 404, b"404 Not Found: gone is not approved in this index\n"),
        ("GET", "/simple/Gone_x", {}, 404, b"404 Not Found: Gone_x is not approved in this index\n"),
        ("GET", "/project/gone/", {}, 404, b"404 Not Found\n"),
        ("GET", "/gone.jsonl", {}, 404, b"404 Not Found\n"),
        ("HEAD", "/simple/gone/", {}, 404, b""),
        ("POST", "/packages/foo-1-py3-none-any.whl", {}, 405, b"405 Method Not Allowed\n"),
        ("PUT", "/simple/", {}, 405, b"405 Method Not Allowed\n"),
    ],
)
def test_an_error_is_short_and_never_cached(
    server: Server, method: str, target: str, fields: dict[str, str], status: int, body: bytes
) -> None:
    expected = SECURITY | {"cache-control": NO_STORE, "content-type": "text/plain; charset=utf-8"}
    expected |= {"allow": "GET, HEAD"} if status == 405 else {}
    expected |= {"vary": "Accept"} if status == 404 and target.startswith("/simple/") else {}
    answer = server.ask(target, fields, method=method)
    length = answer.fields.pop("content-length")
    assert answer == Answer(status, expected, body)
    assert length == str(len(body)) or method == "HEAD"


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("/packages/foo-1-py3-none-any.whl", {"Range": "bytes=99999-"}, 416),
        ("/packages/foo-1-py3-none-any.whl", {"If-Match": '"other"'}, 412),
        ("/simple/", {"If-Match": '"other"'}, 412),
    ],
)
def test_a_failed_condition_is_never_cached(server: Server, target: str, fields: dict[str, str], status: int) -> None:
    answer = server.ask(target, fields)
    assert (answer.status, answer.fields["cache-control"]) == (status, NO_STORE)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "gzip, zstd"])
def test_a_page_is_sent_again_only_when_it_changed(tmp_path: Path, root: Path, encoding: str) -> None:
    with caddy(root, tmp_path, home=tmp_path) as server:
        for release, before in (("r1", "none"), ("r2", "r1"), ("r1", "r2")):
            publish(root, release)
            asked = {"Accept-Encoding": encoding, "If-None-Match": f'W/"sha-{before}"'}
            first = server.ask("/simple/foo/", asked)
            again = server.ask("/simple/foo/", asked | {"If-None-Match": first.fields["etag"]})
            assert (first.status, first.fields["etag"]) == (200, f'W/"sha-{release}"')
            fields = {"cache-control": NO_CACHE, "etag": f'W/"sha-{release}"', "vary": VARY}
            assert again == Answer(304, fields | SECURITY, b"")


def test_an_etag_holds_for_every_encoding(server: Server) -> None:
    etags = {server.ask("/simple/", {"Accept-Encoding": e}).fields["etag"] for e in ("gzip", "zstd", "br")}
    assert etags == {'W/"sha-r1"'}
    for encoding in ("gzip", "zstd", "br"):
        asked = {"Accept-Encoding": encoding, "If-None-Match": '"other", W/"sha-r1"'}
        assert server.ask("/simple/", asked).status == 304


def test_a_time_is_no_validator_of_a_page(server: Server) -> None:
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    assert server.ask("/simple/", {"If-Modified-Since": later}).status == 200
    assert server.ask("/files.jsonl", {"If-Modified-Since": later}).status == 200
    earlier = {"If-Unmodified-Since": "Thu, 01 Jan 1998 00:00:00 GMT"}
    assert server.ask("/simple/", earlier).status == 200


def test_a_page_is_whole(server: Server) -> None:
    assert server.ask("/simple/", {"Range": "bytes=0-9"}) == server.ask("/simple/")


# Content


@pytest.mark.parametrize("target", ["/", "/simple/foo/", "/files.jsonl", "/packages.json", "/sbom.cdx.json"])
def test_a_page_is_compressed(server: Server, target: str) -> None:
    plain = server.ask(target).body
    zipped = server.ask(target, {"Accept-Encoding": "gzip"})
    assert (zipped.fields["content-encoding"], gzip.decompress(zipped.body)) == ("gzip", plain)
    assert server.ask(target, {"Accept-Encoding": "zstd, gzip"}) == zipped
    # An encoder of zstd is large, and held for as long as its client likes.
    assert server.ask(target, {"Accept-Encoding": "zstd"}).body == plain


def test_a_download_can_be_resumed(server: Server) -> None:
    target = "/packages/foo-1-py3-none-any.whl"
    etag = server.ask(target).fields["etag"]
    part = server.ask(target, {"Range": "bytes=8000-", "If-Range": etag, "Accept-Encoding": "gzip"})
    assert (part.status, part.fields["content-range"], part.body) == (
        206,
        "bytes 8000-8191/8192",
        WHEEL[8000:],
    )


def test_head_answers_as_get_does(server: Server) -> None:
    for target in ("/simple/foo/", "/packages/foo-1-py3-none-any.whl", "/healthz"):
        assert server.ask(target, method="HEAD") == server.ask(target)._replace(body=b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_only_get_and_head_are_allowed(server: Server, method: str) -> None:
    for target in ("/", "/simple/foo/", "/packages/foo-1-py3-none-any.whl", "/healthz", "/gone"):
        answer = server.ask(target, method=method)
        assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")


def test_a_missing_slash_is_added_below_any_prefix(server: Server) -> None:
    fields = SECURITY | {"cache-control": NO_CACHE, "content-length": "0"}
    assert server.ask("/simple/foo") == Answer(308, fields | {"location": "foo/", "vary": "Accept"}, b"")
    assert server.ask("/project/foo") == Answer(308, fields | {"location": "foo/"}, b"")
    assert server.ask("/simple") == Answer(308, fields | {"location": "simple/"}, b"")
    assert server.ask("/simple/gone").status == 404


@pytest.mark.parametrize("host", ["pypi", "pypi.example:443", "127.0.0.1", "[::1]:8000"])
def test_every_host_header_is_served(server: Server, host: str) -> None:
    assert server.ask("/release.txt", host=host).body == b"r1\n"


# The two forms of a page


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        # What clients send: pip from 22.2 on, uv and poetry, mousebender and devpi's kind, older pips, browsers, curl.
        (f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01", V1_JSON),
        (f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01", V1_JSON),
        (f"{V1_JSON}, {V1_HTML};q=0.02, text/html;q=0.01", V1_JSON),
        ("text/html", TEXT),
        (BROWSER, TEXT),
        ("*/*", TEXT),
        (None, TEXT),
        ("", TEXT),
        # One type alone.
        (V1_JSON, V1_JSON),
        ("application/vnd.pypi.simple.latest+json", V1_JSON),
        (V1_HTML, V1_HTML),
        ("application/vnd.pypi.simple.latest+html", V1_HTML),
        ("text/*", TEXT),
        ("application/*", V1_HTML),
        # HTML first decides only where nothing of the Simple API is named.
        ("text/html, text/*;q=0.1, application/*", TEXT),
        (f"text/html, {V1_JSON.upper()}", V1_JSON),
        # The higher quality wins, whatever comes first.
        (f"text/html;q=0.5, {V1_JSON};q=0.6", V1_JSON),
        (f"{V1_JSON};q=0.5, text/html;q=0.6", TEXT),
        (f"{V1_JSON};q=0.009, text/html;q=0.01", TEXT),
        (f"{V1_HTML};q=0.9, text/html;q=0.8, {V1_JSON};q=0.1", V1_HTML),
        (f"{V1_JSON};q=0.9, */*", TEXT),
        (f"*/*;q=0.1, {V1_JSON};q=0.2", V1_JSON),
        # Of equal quality JSON, if it is named.
        (f"text/html, {V1_JSON}", V1_JSON),
        (f"*/*, {V1_JSON}", V1_JSON),
        (f"{V1_HTML};q=0.5, {V1_JSON};q=0.5", V1_JSON),
        ("application/*, text/*", TEXT),
        # A quality of 0 refuses, and what is most specific counts.
        (f"{V1_JSON};q=0, */*", TEXT),
        (f"text/html;q=0, {V1_HTML};q=0, */*;q=0.1", V1_JSON),
        ("text/html;q=0, text/*, */*;q=0.5", V1_HTML),
        ("text/*;q=0, */*", V1_HTML),
        (f"{V1_JSON};q=0.000, text/html;q=1.000", TEXT),
        # Letters, blanks, parameters.
        ("Application/VND.pypi.Simple.v1+JSON , text/HTML ; Q=0.5", V1_JSON),
        (f"{V1_JSON};profile=x;q=0.3,text/html;charset=utf-8;q=0.4", TEXT),
        (f"image/png ,\t{V1_JSON}\t;\tq=0.3", V1_JSON),
        (f"{V1_JSON};q=high, text/html;q=0.9", V1_JSON),
        # Names that only begin or end alike are others.
        (f"x{V1_JSON}, text/html;q=0.1", TEXT),
        (f"{V1_JSON}x, text/html;q=0.1", TEXT),
    ],
)
def test_a_page_comes_in_the_form_that_is_asked_for(server: Server, accept: str | None, content_type: str) -> None:
    is_json = content_type == V1_JSON
    page = (json_page("r1") if is_json else PAGE.format("r1")).encode()
    fields = SECURITY | {
        "cache-control": NO_CACHE,
        "content-length": str(len(page)),
        "content-type": content_type,
        "etag": 'W/"sha-json-r1"' if is_json else 'W/"sha-r1"',
        "vary": VARY,
    }
    asked = {} if accept is None else {"Accept": accept}
    for target in ("/simple/", "/simple/foo/"):
        assert server.ask(target, asked) == Answer(200, fields, page)


@pytest.mark.parametrize(
    "accept",
    ["image/png", "application/json", "application/vnd.pypi.simple.v2+json", "text/html;q=0", "*/*;q=0", "text/plain"],
)
def test_where_nothing_fits_the_answer_is_406(server: Server, accept: str) -> None:
    fields = {"cache-control": NO_STORE, "content-type": "text/plain; charset=utf-8", "vary": "Accept"}
    body = b"406 Not Acceptable\n"
    expected = Answer(406, SECURITY | fields | {"content-length": str(len(body))}, body)
    assert server.ask("/simple/foo/", {"Accept": accept}) == expected


@pytest.mark.parametrize(
    ("target", "accept", "status"),
    [
        ("/simple/foo/", V1_JSON, 200),
        ("/simple/foo/", "image/png", 406),
        ("/simple/foo/index.html", V1_JSON, 200),
        ("/simple/foo", V1_JSON, 308),
        ("/simple/Foo/", V1_JSON, 308),
        ("/simple/gone/", V1_JSON, 404),
        ("/simple/gone/", BROWSER, 404),
        ("/simple/foo/.index.html", V1_JSON, 404),
        ("/simple/foo/index.html.etag", BROWSER, 404),
        ("/simple/big-one/index.json.gz", V1_JSON, 404),
    ],
)
def test_every_answer_below_simple_varies_by_accept(server: Server, target: str, accept: str, status: int) -> None:
    found = server.ask(target, {"Accept": accept})
    assert (found.status, found.fields["vary"].split(", ")[0]) == (status, "Accept")


def test_accept_may_come_in_several_lines(server: Server) -> None:
    lines = f"GET /simple/foo/ HTTP/1.1\r\nHost: pypi\r\nAccept: text/html;q=0.1\r\nAccept: {V1_JSON};q=0.2\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=DRAIN) as client:
        client.sendall(f"{lines}Connection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(client)
        response.begin()
        assert response.getheader("Content-Type") == V1_JSON


@pytest.mark.parametrize("folder", ["/simple/", "/simple/foo/"])
def test_a_form_can_be_asked_for_by_its_own_name(server: Server, folder: str) -> None:
    for accept in ({}, {"Accept": "image/png"}, {"Accept": V1_JSON}):
        found = server.ask(f"{folder}index.json", accept)
        assert (found.status, found.fields["content-type"], found.body) == (200, V1_JSON, json_page("r1").encode())
        found = server.ask(f"{folder}index.html", accept)
        assert (found.status, found.fields["content-type"]) == (200, TEXT)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "gzip, zstd, br"])
@pytest.mark.parametrize("accept", [V1_JSON, V1_HTML])
@pytest.mark.parametrize("project", ["foo", "big-one"])
def test_each_form_has_a_validator_of_its_own(server: Server, project: str, accept: str, encoding: str) -> None:
    target, asked = f"/simple/{project}/", {"Accept": accept, "Accept-Encoding": encoding}
    first = server.ask(target, asked)
    etag = first.fields["etag"]
    again = server.ask(target, asked | {"If-None-Match": etag})
    assert again == Answer(304, SECURITY | {"cache-control": NO_CACHE, "etag": etag, "vary": VARY}, b"")
    other = V1_HTML if accept == V1_JSON else V1_JSON
    assert server.ask(target, asked | {"Accept": other, "If-None-Match": etag}).status == 200
    assert server.ask(target, {"Accept": accept}).fields["etag"] == etag


@pytest.mark.parametrize(("accept", "page"), [(V1_JSON, json_page("r1")), ("text/html", PAGE.format("r1"))])
def test_a_form_is_compressed_and_a_twin_that_is_compressed_already_goes_out_as_it_is(
    server: Server, accept: str, page: str
) -> None:
    for project, expected in (("foo", page), ("big-one", f"{TWIN}{page}")):
        found = server.ask(f"/simple/{project}/", {"Accept": accept, "Accept-Encoding": "gzip"})
        assert found.fields["content-encoding"] == "gzip"
        assert gzip.decompress(found.body).decode() == expected
    assert server.ask("/simple/big-one/", {"Accept": accept}).body.decode() == page


# Names


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/simple/Foo/", "../foo/"),
        ("/simple/FOO", "foo/"),
        ("/project/Foo/", "../foo/"),
        ("/simple/big_one/", "../big-one/"),
        ("/simple/Big.One", "big-one/"),
        ("/simple/BIG-_.-oNE/", "../big-one/"),
        ("/simple/big--one/", "../big-one/"),
        ("/simple/foo", "foo/"),
    ],
)
def test_another_spelling_leads_to_the_page(server: Server, target: str, location: str) -> None:
    found = server.ask(target)
    assert (found.status, found.fields["location"], found.fields["cache-control"]) == (308, location, NO_CACHE)
    assert server.ask(urljoin(target, location)).status == 200


def test_every_letter_has_its_lower_case(tmp_path: Path, root: Path) -> None:
    write(root / "releases" / "r1" / "simple" / string.ascii_lowercase / "index.html", "x")
    with caddy(root, tmp_path, home=tmp_path) as server:
        found = server.ask(f"/simple/{string.ascii_uppercase}/")
        assert (found.status, found.fields["location"]) == (308, f"../{string.ascii_lowercase}/")


@pytest.mark.parametrize(
    "target", ["/simple/Gone/", "/simple/gone_", "/simple/Foo/x", "/simple/_foo/", "/Simple/foo/", "/simple/F%2Foo/"]
)
def test_another_spelling_of_nothing_is_nothing(server: Server, target: str) -> None:
    assert server.ask(target).status == 404


# What a person sees of what is not here


@pytest.mark.parametrize(
    ("target", "top", "project"),
    [
        ("/simple/gone/", "../../", "<b>gone</b>"),
        ("/simple/Gone_x", "../", "<b>Gone_x</b>"),
        ("/project/gone/", "../../", "<b>gone</b>"),
        ("/gone", "./", "no page"),
        ("/gone/", "../", "no page"),
        ("/simple/gone/index.html", "../../", "no page"),
        ("/simple/a/b/c", "../../../", "no page"),
        ("/simple/%3Cscript%3E/", "../../", "no page"),
        ("/simple/[[env]]/", "../../", "no page"),
        ("/simple/%5B%5Benv%5D%5D", "../", "no page"),
        ("/simple/{env.HOME}/", "../../", "no page"),
        ("/simple/-gone/", "../../", "no page"),
        ("/packages/gone-1.zip", "../", "no page"),
        ("/simple/gone/?q=<script>", "../../", "<b>gone</b>"),
    ],
)
def test_a_browser_gets_a_page_that_names_what_is_not_here(server: Server, target: str, top: str, project: str) -> None:
    conditions = {"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "Range": "bytes=0-1"}
    found = server.ask(target, {"Accept": BROWSER} | conditions)
    body = f'<!DOCTYPE html><a href="{top}">top</a>{project}'.encode()
    fields = SECURITY | {"cache-control": NO_STORE, "content-length": str(len(body)), "content-type": TEXT}
    vary = found.fields.pop("vary", "")
    assert found == Answer(404, fields, body)
    assert "Accept" in vary.split(", ") or not target.startswith("/simple/")


def test_a_browser_gets_plain_text_where_a_release_has_no_such_page(tmp_path: Path, root: Path) -> None:
    (root / "releases" / "r1" / "not-here.html").unlink()
    with caddy(root, tmp_path, home=tmp_path) as server:
        assert server.ask("/gone", {"Accept": BROWSER}).body == b"404 Not Found\n"
        assert server.ask("/a/b/c/d/e", {"Accept": BROWSER}).body == b"404 Not Found\n"


# What is not served


@pytest.mark.parametrize(
    "target",
    [
        "/packages",
        "/packages/",
        "/packages/.",
        "/packages/.hidden.whl",
        "/packages/notes.txt",
        "/packages/foo.whl.part",
        "/packages/packages/",
        "/packages/packages/foo-1-py3-none-any.whl",
        "/packages/packages%2ffoo-1-py3-none-any.whl",
        "/packages/foo-1-py3-none-any.whl/",
        "/packages%2f.hidden.whl",
        "/packages%2fnotes.txt",
        "/PACKAGES/notes.txt",
        "/packages//notes.txt",
        "/packages/*.whl",
        "//packages/notes.txt",
        "/simple/../packages/notes.txt",
        "/simple/..%2fpackages/notes.txt",
        "/.git/config",
        "/%2egit/config",
        "/.env",
        "/simple/.hidden/",
        "/simple/foo/.index.html",
        "/simple/foo/index.html.etag",
        "/simple/foo/index.html.etag/",
        "/simple/foo/index.html%2eetag",
        "/simple/big-one/index.json.gz",
        "/simple/big-one/index.json.gz/",
        "/simple/big-one/index.json.gz.etag",
        "/simple/big-one/index.json%2egz",
        "/simple/big-one/index.json/",
        "/site.js/",
        "/release.txt/",
        "/not-here.html",
        "/not-here.html/",
        "/not-here%2ehtml",
        "/index.html.etag",
        "/../../secret.txt",
        "/../../../secret.txt",
        "/%2e%2e/%2e%2e/secret.txt",
        "/..%2f..%2fsecret.txt",
        "/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%5c..%5csecret.txt",
        "/..\\..\\secret.txt",
        "/packages/../../../secret.txt",
        "/packages/../../../retired/old-1-py3-none-any.whl",
        "/packages/..%2f..%2f..%2fretired%2fold-1-py3-none-any.whl",
        "/packages/%2e%2e/secret.txt",
        "/simple/foo/..",
        "//simple/",
        "/simple//foo/",
        "/release.txt%00.html",
        "/simple/foo%0d%0aX-Injected:1",
        "/{env.PYPI_ROOT}/secret.txt",
        "/bin/Caddyfile",
        "/secret.txt",
        "/releases/r1/release.txt",
    ],
)
def test_nothing_else_is_served(server: Server, target: str) -> None:
    answer = server.ask(target)
    assert (answer.status, answer.fields["cache-control"], answer.body) == (404, NO_STORE, b"404 Not Found\n")


def test_an_absolute_or_broken_target_serves_nothing_else(server: Server) -> None:
    assert server.ask("http://other/../../secret.txt").status == 404
    assert server.ask("http://other/release.txt").body == b"r1\n"
    assert server.ask("/%zz").status == 400
    assert server.ask("secret.txt").status in (400, 404)


# Publishing


def test_health_is_the_release_that_is_served(tmp_path: Path, root: Path) -> None:
    fields = SECURITY | {
        "cache-control": NO_STORE,
        "content-type": "text/plain; charset=utf-8",
        "content-length": "3",
    }
    with caddy(root, tmp_path, home=tmp_path) as server:
        for release in ("r1", "r2", "r1"):
            publish(root, release)
            assert server.ask("/healthz") == Answer(200, fields, f"{release}\n".encode())
            assert server.ask("/simple/").body == PAGE.format(release).encode()


def test_nothing_published_is_nothing_healthy(tmp_path: Path) -> None:
    root = tmp_path / "pypi"
    for name in ("packages/foo-1-py3-none-any.whl", "releases/index.html", "releases/r1/index.html"):
        write(root / name, SECRET)
    with caddy(root, tmp_path, home=tmp_path, stderr=subprocess.DEVNULL) as server:
        for target in ("/healthz", "/", "/r1/", "/simple/", "/packages/foo-1-py3-none-any.whl"):
            answer = server.ask(target)
            assert (answer.status, answer.fields["cache-control"]) == (503, NO_STORE)
            assert answer.body == b"503 Service Unavailable\n"
        publish(root, "r1")
        assert server.ask("/healthz").status == 200


def test_a_page_and_its_etag_are_of_one_release(tmp_path: Path, root: Path) -> None:
    publish(root, "r2")
    done = threading.Event()

    def switch_all_the_time() -> None:
        while not done.is_set():
            switch(root, "r1")
            switch(root, "r2")

    publisher = threading.Thread(target=switch_all_the_time)
    with caddy(root, tmp_path, home=tmp_path) as server:
        publisher.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DRAIN)
            seen = set()
            for _ in range(1500):
                connection.request("GET", "/simple/foo/")
                _, fields, body = answer(connection.getresponse())
                seen.add((fields["etag"], body))
            connection.close()
        finally:
            done.set()
            publisher.join()
    assert seen == {(f'W/"sha-{release}"', PAGE.format(release).encode()) for release in ("r1", "r2")}


# The process


def test_it_listens_on_one_address_only(tmp_path: Path, root: Path) -> None:
    with caddy(root, tmp_path, host="127.0.0.1", home=tmp_path) as server:
        assert not can_connect("127.0.0.2", server.port)
        assert not can_connect("::1", server.port)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_on_one_ipv6_address_only(tmp_path: Path, root: Path) -> None:
    with caddy(root, tmp_path, host="[::1]", home=tmp_path) as server:
        assert not can_connect("127.0.0.1", server.port)


@pytest.mark.parametrize("host", [None, "", "0.0.0.0"])  # noqa: S104
def test_it_listens_on_every_address_by_default(tmp_path: Path, root: Path, host: str | None) -> None:
    with caddy(root, tmp_path, host=host, home=tmp_path) as server:
        assert can_connect("127.0.0.2", server.port)
        assert server.ask("/healthz", host="elsewhere").body == b"r1\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_and_a_stop_are_quiet(tmp_path: Path, root: Path, number: signal.Signals) -> None:
    pipe = subprocess.PIPE
    with caddy(root, tmp_path, home=tmp_path, stdout=pipe, stderr=pipe) as server:
        server.process.send_signal(number)
        assert server.process.communicate(timeout=DRAIN) == (b"", b"")
        assert server.process.returncode == 0


def test_every_request_is_a_line_of_json_on_stdout(tmp_path: Path, root: Path) -> None:
    with caddy(root, tmp_path, home=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        server.ask("/simple/foo/")
        server.ask("/packages/gone-1.zip?q", method="HEAD")
        server.ask("/simple/", method="POST")
        server.process.terminate()
        out, err = server.process.communicate(timeout=DRAIN)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(x["request"]["method"], x["request"]["uri"], x["status"]) for x in lines] == [
        ("GET", "/simple/foo/", 200),
        ("HEAD", "/packages/gone-1.zip?q", 404),
        ("POST", "/simple/", 405),
    ]
    assert err == b""


def test_it_needs_neither_a_home_nor_a_folder_to_write_to(tmp_path: Path, root: Path) -> None:
    cwd = tmp_path / "empty"
    cwd.mkdir(mode=0o555)
    before = sorted(root.rglob("*"))
    with caddy(root, cwd, stderr=subprocess.PIPE) as server:
        assert server.ask("/healthz").body == b"r1\n"
        server.process.terminate()
        _, err = server.process.communicate(timeout=DRAIN)
    # Said before the Caddyfile is read, so nothing in it can quiet this.
    assert [json.loads(line)["msg"] for line in err.splitlines()] == [
        "unable to determine directory for user configuration; falling back to current directory"
    ]
    assert (list(cwd.iterdir()), sorted(root.rglob("*"))) == ([], before)


def test_the_folder_is_pypi_by_default(tmp_path: Path, root: Path) -> None:
    assert root == tmp_path / "pypi"
    with caddy(None, tmp_path, home=tmp_path) as server:
        assert server.ask("/simple/").body == PAGE.format("r1").encode()
        assert server.ask("/packages/foo-1.zip").body == WHEEL


def test_a_stop_lets_a_download_end(tmp_path: Path, root: Path) -> None:
    size = 64 * 1024 * 1024
    with (root / "packages" / "big-1-py3-none-any.whl").open("wb") as file:
        file.truncate(size)
    with caddy(root, tmp_path, home=tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DRAIN)
        connection.request("GET", "/packages/big-1-py3-none-any.whl")
        response = connection.getresponse()
        server.process.terminate()
        while can_connect("127.0.0.1", server.port):
            time.sleep(0.01)
        assert len(response.read()) == size
        connection.close()
        assert server.process.wait(timeout=DRAIN) == 0


@pytest.mark.parametrize(
    ("line", "shorter", "sent"),
    [
        ("read_header 10s", "read_header 300ms", b"GET / HTTP/1.1\r\nHost: pypi\r\n"),
        (
            "read_body_idle 10s",
            "read_body_idle 300ms",
            b"POST / HTTP/1.1\r\nHost: pypi\r\nContent-Length: 9\r\n\r\n",
        ),
        ("\t\tidle 2m", "\t\tidle 300ms", b"GET /healthz HTTP/1.1\r\nHost: pypi\r\n\r\n"),
    ],
)
def test_a_client_that_stalls_is_let_go(tmp_path: Path, root: Path, line: str, shorter: str, sent: bytes) -> None:
    impatient = tmp_path / "Caddyfile"
    text = CADDYFILE.read_text(encoding="utf-8")
    assert text.count(line) == 1
    impatient.write_text(text.replace(line, shorter), encoding="utf-8")
    with (
        caddy(root, tmp_path, home=tmp_path, caddyfile=impatient) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=DRAIN) as client,
    ):
        client.sendall(sent)
        while client.recv(65536):
            pass


def test_the_staged_start_finds_its_own_folder(tmp_path: Path) -> None:
    publish(tmp_path / "shared", "r1")
    staged = tmp_path / "shared" / "bin"
    staged.mkdir()
    shutil.copy(CODE / "caddy" / "caddy", staged / "caddy")
    (staged / "caddy-server").symlink_to(find_caddy())
    port = free_port()
    env = {"LISTEN": f"127.0.0.1:{port}", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    process = subprocess.Popen((staged / "caddy", "run", "--config", CADDYFILE), cwd=tmp_path, env=env)
    try:
        wait_for(process, "127.0.0.1", port)
        assert Server(port, tmp_path / "shared", process).ask("/healthz").body == b"r1\n"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "listen", ["8000", ":", ":8000,:8001", "127.0.0.1:8000/x", ":8000x", "unix//tmp/x:1", ":8000-8001", "a b:1"]
)
def test_a_listen_that_is_not_host_and_port_is_refused(listen: str) -> None:
    env = {"LISTEN": listen, "CADDY": find_caddy(), "PATH": os.environ["PATH"]}
    done = subprocess.run((CODE / "caddy" / "caddy", "run"), env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"LISTEN: {listen} is not host:port; write 127.0.0.1:8000, or :8000 for every address\n",
    )
