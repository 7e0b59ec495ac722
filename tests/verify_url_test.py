"""scripts/verify_url.py, verify_server.py: `make verify URL=…` on a real Caddy, and on one that something changes."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from between import Change, Sent, between
from project import free_port, served
from published import ALPHA, GAMMA, Published, publish
from signers import Signer, make_signer

from scripts import manifest, signature, verify
from scripts.build import validator

REMEDY = "serve $(PYPI_ROOT) with its own bin/Caddyfile, and let nothing in between change what it sends"
OLD = "20200101T000000Z-000000000000"
V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"


class Index(NamedTuple):
    """A published index, and where a real Caddy serves it."""

    published: Published
    url: str


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    published = publish(tmp_path_factory.mktemp("original"))
    with served(published.root) as url:
        yield Index(published, url)


@pytest.fixture
def index(original: Index, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index, whose checkout is the current folder."""
    monkeypatch.chdir(original.published.checkout)
    return original


def check(index: Index, url: str, *, root: Path | None = None) -> int:
    return verify.main([f"--root={root or index.published.root}", f"--url={url}"])


def told(index: Index, change: Change, capsys: pytest.CaptureFixture[str], remedy: str = REMEDY) -> list[str]:
    """Return what is said where something between changes what is sent, without address and usual remedy."""
    with between(index.url, change) as url:
        status = check(index, url)
    lines = capsys.readouterr().err.splitlines()
    assert status == 1, lines
    top = url.removesuffix("simple/")
    assert all(line.startswith(top) for line in lines), lines
    return [line.removeprefix(top).removesuffix(f"; {remedy}") for line in lines]


def at(path: str, change: Change, accept: str = "") -> Change:
    """Change what is sent for one path, and for one Accept if it is given."""

    def some(sent: Sent) -> Sent:
        is_meant = sent.path == path and (not accept or sent.asked.get("accept") == accept)
        return change(sent) if is_meant else sent

    return some


def having(path: str, accept: str = "", **fields: str | None) -> Change:
    return at(path, lambda sent: sent.having(**fields), accept)


def body(path: str, data: bytes, accept: str = "") -> Change:
    """Send another body, with its own validator."""
    return at(
        path,
        lambda sent: replace(sent, status=200, body=data).having(ETag=validator(data), Content_Encoding=None),
        accept,
    )


def as_status(path: str, status: int) -> Change:
    return at(path, lambda sent: replace(sent, status=status))


def edited(path: str, change: Callable[[Any], object]) -> Change:
    """Change a JSON page, with its validator."""

    def edit(sent: Sent) -> Sent:
        if sent.fields.get("Content-Type") != V1_JSON or sent.status != 200:
            return sent
        data = gzip.decompress(sent.body) if "gzip" in sent.fields.get("Content-Encoding", "") else sent.body
        value = json.loads(data)
        change(value)
        data = json.dumps(value).encode()
        return replace(sent, body=data).having(ETag=validator(data), Content_Encoding=None)

    return at(path, edit)


@pytest.mark.parametrize("ending", ["", "simple", "simple/"])
def test_a_server_of_ours_breaks_no_rule(index: Index, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    top = index.url.removesuffix("simple/")
    assert check(index, f"{top}{ending}") == 0
    release = index.published.live.name
    assert capsys.readouterr().err == f"{top}: verified {release}: 3 projects, 4 files\n"


def test_a_server_below_a_prefix_breaks_no_rule(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    with between(index.url, lambda sent: sent, "/some/prefix") as url:
        assert check(index, url) == 0, capsys.readouterr().err


def test_without_a_release_to_compare_with_that_is_said(
    index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(index, index.url, root=tmp_path / "nowhere") == 0
    top, release = index.url.removesuffix("simple/"), index.published.live.name
    assert capsys.readouterr().err == (
        "release id: not checked, PYPI_ROOT has no release to compare with\n"
        f"{top}: verified {release}: 3 projects, 4 files\n"
    )


class Case(NamedTuple):
    """What something in between does, and what is then said."""

    name: str
    change: Change
    said: list[str]


ZEROS, TENS = "0" * 64, hashlib.sha256(b"x" * 10).hexdigest()
A_PAGE, A_FILE, G_FILE = "simple/alpha/", f"packages/{ALPHA.filename}", f"packages/{GAMMA.filename}"
CASES = [
    Case(
        "a list of another type",
        having("packages.json", Content_Type="text/plain"),
        ["packages.json: its Content-Type is text/plain, and not application/json"],
    ),
    Case(
        "a list of files of another type",
        having("files.jsonl", Content_Type="application/json"),
        ["files.jsonl: its Content-Type is application/json, and not application/jsonl"],
    ),
    Case(
        "a bill of materials of another type",
        having("sbom.cdx.json", Content_Type="application/json"),
        ["sbom.cdx.json: its Content-Type is application/json, and not application/vnd.cyclonedx+json"],
    ),
    Case(
        "a page for people without its encoding",
        having("project/alpha/", Content_Type="text/html"),
        ["project/alpha/: its Content-Type is text/html, and not text/html; charset=utf-8"],
    ),
    Case(
        "a JSON page of another type",
        having(A_PAGE, V1_JSON, Content_Type="application/json"),
        [f"simple/alpha/: asked for {V1_JSON}: its Content-Type is application/json, and not {V1_JSON}"],
    ),
    Case(
        "a page without Vary",
        having("simple/gamma/", V1_HTML, Vary=None),
        [f"simple/gamma/: asked for {V1_HTML}: its Vary is None, and not Accept"],
    ),
    Case(
        "a page with another Vary",
        having("simple/gamma/", V1_HTML, Vary="Accept-Encoding"),
        [f"simple/gamma/: asked for {V1_HTML}: its Vary is Accept-Encoding, and not Accept"],
    ),
    Case(
        "a page that may be stored",
        having("project/gamma/", Cache_Control="max-age=600"),
        ["project/gamma/: its Cache-Control is max-age=600, and not no-cache"],
    ),
    Case(
        "a page without ETag",
        having("project/gamma/", ETag=None),
        ["project/gamma/: its ETag is None, and that of its content <etag>"],
    ),
    Case(
        "a page with another's ETag",
        having("simple/gamma/", V1_HTML, ETag=validator(b"x")),
        [f"simple/gamma/: asked for {V1_HTML}: its ETag is <etag>, and that of its content <etag>"],
    ),
    Case("a missing page", as_status("project/gamma/", 404), ["project/gamma/: answers 404, and not 200"]),
    Case(
        "a page that leads elsewhere",
        at("project/gamma/", lambda sent: replace(sent, status=302).having(Location="../alpha/")),
        ["project/gamma/: answers 302, and not 200"],
    ),
    Case(
        "a wheel of another type",
        having(A_FILE, Content_Type="application/zip"),
        [f"{A_FILE}: its Content-Type is application/zip, and not application/octet-stream"],
    ),
    Case(
        "an sdist of another type",
        having(G_FILE, Content_Type="application/x-gzip"),
        [f"{G_FILE}: its Content-Type is application/x-gzip, and not application/gzip"],
    ),
    Case(
        "a sidecar without its encoding",
        having(f"{A_FILE}.metadata", Content_Type="text/plain"),
        [f"{A_FILE}.metadata: its Content-Type is text/plain, and not text/plain; charset=utf-8"],
    ),
    Case(
        "a file that is asked for each time",
        having(G_FILE, Cache_Control="no-cache"),
        [f"{G_FILE}: its Cache-Control is no-cache, and not public, max-age=31536000, immutable"],
    ),
    Case("a file without ETag", having(G_FILE, ETag=None), [f"{G_FILE}: has no ETag"]),
    Case(
        "a file that a client would unpack",
        having(G_FILE, Content_Encoding="gzip"),
        [f"{G_FILE}: is sent with the Content-Encoding gzip, which a client would undo"],
    ),
    Case("a missing file", as_status(G_FILE, 404), [f"{G_FILE}: answers 404, and not 200"]),
    Case("a missing sidecar", as_status(f"{A_FILE}.metadata", 404), [f"{A_FILE}.metadata: answers 404, and not 200"]),
    Case(
        "another sidecar",
        body(f"{A_FILE}.metadata", b"x"),
        [f"{A_FILE}.metadata: is not the METADATA that its wheel holds"],
    ),
    Case(
        "another file",
        body(G_FILE, b"x" * 10),
        [
            f"simple/gamma/index.json: {GAMMA.filename}: its size is 237, and of the file 10",
            f"{G_FILE}: is not a sound archive: Not a gzipped file (b'xx')",
            f"simple/gamma/index.json: {GAMMA.filename}: is listed with sha256 {GAMMA.sha256}, and the file has {TENS}",
        ],
    ),
    Case(
        "a file that does not end",
        body(G_FILE, b"x" * 100_000),
        [f"{G_FILE}: cannot be read: the file is larger than 237 bytes"],
    ),
    Case(
        "another hash",
        edited("simple/gamma/", lambda told: told["files"][0]["hashes"].update(sha256="0" * 64)),
        [
            f"files.jsonl: {GAMMA.filename}: its sha256 is {GAMMA.sha256}, and on its project's page {ZEROS}",
            f"packages.json: {GAMMA.filename}: its sha256 is {GAMMA.sha256}, and on its project's page {ZEROS}",
            f"sbom.cdx.json: {GAMMA.filename}: its sha256 is {GAMMA.sha256}, and on its project's page {ZEROS}",
            f"simple/gamma/index.json: lists {GAMMA.filename}, whose sha256 stands in no lock: {ZEROS}",
            f"simple/gamma/index.json: lists no file of gamma 3.0, which the locks name, with sha256 {GAMMA.sha256}",
            f"simple/gamma/index.html: {GAMMA.filename}: its sha256 is {GAMMA.sha256}, and in index.json {ZEROS}",
        ],
    ),
    Case(
        "a root that lists too much",
        edited("simple/", lambda told: told["projects"].append({"name": "delta"})),
        [
            f"simple/: asked for {V1_JSON} with its own ETag: answers 200, and not 304",
            "simple/index.json: lists delta, which no lock names",
        ],
    ),
    Case(
        "an id that may be stored",
        having("healthz", Cache_Control=None),
        ["healthz: its Cache-Control is None, and not no-store"],
    ),
    Case("another id", body("release.txt", OLD.encode()), ["release.txt: does not name the release <release>"]),
    Case(
        "a page that is sent again",
        at("simple/", lambda sent: replace(sent, status=200, body=b"") if sent.status == 304 else sent),
        [
            f"simple/: asked for {V1_HTML} with its own ETag: answers 200, and not 304",
            f"simple/: asked for {V1_JSON} with its own ETag: answers 200, and not 304",
            "simple/: asked for text/html with its own ETag: answers 200, and not 304",
        ],
    ),
    Case(
        "a file that is sent again",
        at(A_FILE, lambda sent: replace(sent, status=200, body=b"") if sent.status == 304 else sent),
        [f"{A_FILE}: asked for */* with its own ETag: answers 200, and not 304"],
    ),
    Case(
        "a page for who wants none",
        at("simple/", lambda sent: replace(sent, status=200) if sent.status == 406 else sent),
        ["simple/: asked for image/png: answers 200, and not 406"],
    ),
    Case(
        "a refusal that may be stored",
        at("simple/", lambda sent: sent.having(Cache_Control="no-cache") if sent.status == 406 else sent),
        ["simple/: asked for image/png: its Cache-Control is no-cache, and not no-store"],
    ),
    Case(
        "another form than the latest",
        having("simple/", "application/vnd.pypi.simple.latest+json", Content_Type=V1_HTML),
        [
            "simple/: asked for application/vnd.pypi.simple.latest+json: its Content-Type is "
            f"{V1_HTML}, and not {V1_JSON}"
        ],
    ),
    Case(
        "another form than a browser's",
        having("simple/", "text/html", Content_Type=V1_HTML),
        [f"simple/: asked for text/html: its Content-Type is {V1_HTML}, and not text/html; charset=utf-8"],
    ),
    Case(
        "another spelling that is not known",
        as_status("simple/ALPHA", 404),
        ["simple/ALPHA: answers 404, and not 308", "simple/ALPHA: does not lead to simple/alpha/"],
    ),
    Case(
        "another spelling without Vary",
        having("simple/ALPHA/", Vary=None),
        ["simple/ALPHA/: its Vary is None, and not Accept"],
    ),
    Case(
        "another spelling that may be stored",
        having("simple/ALPHA/", Cache_Control=None),
        ["simple/ALPHA/: its Cache-Control is None, and not no-cache"],
    ),
    Case(
        "a page that did not change, without Vary",
        at(A_PAGE, lambda sent: sent.having(Vary=None) if sent.status == 304 else sent, V1_HTML),
        [f"simple/alpha/: asked for {V1_HTML} with its own ETag: its Vary is None, and not Accept"],
    ),
    Case(
        "a page without slash that leads elsewhere",
        at("simple/alpha", lambda sent: sent.having(Location="/")),
        ["simple/alpha: does not lead to simple/alpha/"],
    ),
    Case(
        "a project that nobody approved",
        body("simple/not-approved/", b"{}"),
        ["simple/not-approved/: answers 200, and not 404"],
    ),
    Case(
        "an absence that may be stored",
        having("simple/not-approved/", Cache_Control="public, max-age=31536000, immutable"),
        ["simple/not-approved/: its Cache-Control is public, max-age=31536000, immutable, and not no-store"],
    ),
    Case(
        "an absence without Vary",
        having("simple/not-approved/", Vary=None),
        ["simple/not-approved/: its Vary is None, and not Accept"],
    ),
    Case(
        "a file that nobody approved",
        body("packages/not-approved-1.0-py3-none-any.whl", b"x"),
        ["packages/not-approved-1.0-py3-none-any.whl: answers 200, and not 404"],
    ),
    Case(
        "an absent file that may be stored",
        having("packages/not-approved-1.0-py3-none-any.whl", Cache_Control="immutable"),
        ["packages/not-approved-1.0-py3-none-any.whl: its Cache-Control is immutable, and not no-store"],
    ),
    Case("a dotfile", body(".pypi-index", b"x"), [".pypi-index: answers 200, and not 404"]),
    Case("an ETag file", body("simple/index.json.etag", b"x"), ["simple/index.json.etag: answers 200, and not 404"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_server_that_breaks_a_rule_is_named(case: Case, index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    release = index.published.live.name
    said = [line.replace("<release>", release) for line in case.said]
    assert [re.sub('W/"[0-9a-f]{32}"', "<etag>", line) for line in told(index, case.change, capsys)] == said


def refusal(index: Index, *options: str) -> str:
    with pytest.raises(SystemExit) as caught:
        verify.main([f"--root={index.published.root}", *options])
    return str(caught.value)


def with_id(release: str) -> Change:
    return at("healthz", lambda sent: replace(sent, body=f"{release}\n".encode()))


def test_a_server_that_is_stale_is_named(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = index.published.copy(tmp_path)
    release = newer.live.rename(newer.live.with_name("20990101T000000Z-000000000000"))
    (newer.root / "web").unlink()
    (newer.root / "web").symlink_to(f"releases/{release.name}")
    assert check(index, index.url, root=newer.root) == 1
    top = index.url.removesuffix("simple/")
    assert capsys.readouterr().err.splitlines() == [
        f"{top}: stale or rolled back: serves {index.published.live.name}, PYPI_ROOT has {release.name}; "
        "look for a cache in between, or a copy that was not updated"
    ]


def test_pages_of_another_release_are_named(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    release = index.published.live.name
    lines = told(index, with_id(OLD), capsys)
    assert lines == [
        f": stale or rolled back: serves {OLD}, PYPI_ROOT has {release}; "
        "look for a cache in between, or a copy that was not updated",
        f"changes.json: its newest release is {release}, and not {OLD}",
        f"changes/index.html: does not tell the release {OLD}",
        f"index.html: does not tell the release {OLD}",
        f"release.txt: does not name the release {OLD}",
    ]


def test_a_release_that_appears_meanwhile_asks_for_another_run(index: Index) -> None:
    ids = iter([index.published.live.name, OLD])
    with between(index.url, at("healthz", lambda sent: replace(sent, body=next(ids).encode()))) as url:
        top = url.removesuffix("simple/")
        assert refusal(index, f"--url={url}") == (f"{top}: another release appeared meanwhile; run make verify again")


def test_a_server_that_is_no_index_is_refused(index: Index) -> None:
    with between(index.url, as_status("healthz", 404)) as url:
        assert refusal(index, f"--url={url}") == (
            f"{url.removesuffix('simple/')}healthz: names no release, it answers 404; "
            "is URL right, and an index of ours?"
        )


def test_a_server_that_is_down_is_said_without_the_password(index: Index) -> None:
    port = free_port()
    assert refusal(index, f"--url=http://somebody:secret@127.0.0.1:{port}/simple/") == (
        f"http://127.0.0.1:{port}/healthz: no connection; is URL right, and up?"
    )


def test_a_server_that_hangs_ends_with_the_time_that_all_may_take(index: Index) -> None:
    end = threading.Event()

    def hang(sent: Sent) -> Sent:
        end.wait()
        return sent

    with between(index.url, at("site.js", hang)) as url:
        try:
            assert refusal(index, f"--url={url}", "--fetch-timeout=2") == (
                f"{url.removesuffix('simple/')}: not done within FETCH_TIMEOUT; "
                "is it up, and FETCH_TIMEOUT long enough?"
            )
        finally:
            end.set()


def test_what_is_no_url_is_refused(index: Index) -> None:
    assert refusal(index, "--url=ftp://127.0.0.1/simple/") == (
        "URL: ftp://127.0.0.1/ is not an http or https URL; name an index such as https://host/simple/"
    )
    assert refusal(index, f"--url={index.url}", "--fetch-timeout=soon") == (
        "FETCH_TIMEOUT: 'soon' is not a whole number above 0; write one, or leave FETCH_TIMEOUT out"
    )


def test_a_file_name_cannot_leave_the_temporary_folder(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary" / "deep"))
    (tmp_path / "temporary" / "deep").mkdir(parents=True)
    hostile = "../../../hostile"
    change = edited("simple/gamma/", lambda told: told["files"][0].update(filename=hostile, provenance="x"))
    lines = told(index, change, capsys)
    assert f"simple/gamma/index.json: {hostile}: is not the name of a wheel or sdist" in lines
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary", "deep"]


def test_a_server_s_manifest_is_compared_and_its_signature_asked_for(
    index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without PYPI_ROOT's release the manifest is all that there is to compare with."""
    ours, theirs = make_signer(tmp_path / "keys"), make_signer(tmp_path / "keys", "mallory@example.com")
    data = (index.published.live / manifest.FILE).read_bytes()
    signed = signature.sign(data, str(ours.key))

    def with_signature(sent: Sent) -> Sent:
        return replace(sent, status=200, body=signed).having(Cache_Control="no-cache")

    def told_by(change: Change, signer: Signer) -> list[str]:
        with between(index.url, lambda sent: change(at(manifest.SIGNATURE, with_signature)(sent))) as url:
            verify.main([f"--root={tmp_path / 'none'}", f"--url={url}", f"--allowed-signers={signer.allowed}"])
        lines = capsys.readouterr().err.splitlines()
        return [line.removeprefix(url.removesuffix("simple/")).removesuffix(f"; {REMEDY}") for line in lines[1:]]

    def same(sent: Sent) -> Sent:
        return sent

    assert told_by(same, ours)[0].endswith(f": 3 projects, 4 files, signed as {ours.allowed} allows")
    nobody = f"manifest.jsonl: is signed by nobody that {theirs.allowed} allows (No principal matched)"
    assert told_by(same, theirs) == [nobody]
    other = data.replace(b'"generation": 1', b'"generation": 2')
    fact = "is not what index@example.com signed (Signature verification failed: incorrect signature)"
    assert told_by(body(manifest.FILE, other), ours) == [f"manifest.jsonl: {fact}"]
    style = (index.published.live / "style.css").read_bytes() + b"/* */"
    assert told_by(body("style.css", style), ours) == ["style.css: is not what the manifest lists"]
