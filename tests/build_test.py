"""scripts/build.py: the pages list what files.jsonl names and nothing else, the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import socket
import tracemalloc
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from approved import approve
from conftest import Checkout
from distributions import sdist, wheel
from index_test import tree
from offers import file, offer
from pypi_simple import PyPISimple
from upstream import Upstream

from scripts.build import PRECOMPRESSED_BYTES, PRECOMPRESSED_JSON_BYTES, build, seal
from scripts.conformance_tree import tree_problems
from scripts.manifest import fact_of

YAML = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
FILES = [
    wheel("alpha", "1.0", requires_python=">=3.8,<4", requires=["beta"]),
    wheel("alpha", "2.0"),
    wheel("beta.gamma", "1.0", requires_python="!=3.9.1"),
]


@pytest.fixture
def published(checkout: Checkout, upstream: Upstream) -> Checkout:
    for one in FILES:
        upstream.add(one)
    approve(*FILES)
    checkout.index()
    return checkout


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


@pytest.fixture
def below_a_prefix(published: Checkout, tmp_path: Path) -> Iterator[str]:
    """Serve the release as a file server would, two folders down from the root."""
    (tmp_path / "site" / "some").mkdir(parents=True)
    (tmp_path / "site" / "some" / "prefix").symlink_to((published.root / "web").resolve())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path / "site"))
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/some/prefix/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_tree_works_below_a_prefix(below_a_prefix: str, tmp_path: Path) -> None:
    with PyPISimple(f"{below_a_prefix}simple/") as client:
        assert client.get_index_page().projects == ["alpha", "beta-gamma"]
        found = {
            file.filename: file for name in ("alpha", "beta-gamma") for file in client.get_project_page(name).packages
        }
        assert set(found) == {one.filename for one in FILES}
        for one in FILES:
            assert found[one.filename].url == f"{below_a_prefix}packages/{one.filename}"
            client.download_package(found[one.filename], tmp_path / "download", verify=True)
            assert (tmp_path / "download").read_bytes() == one.data
            assert client.get_package_metadata_bytes(found[one.filename], verify=True) == one.metadata


def test_links_are_relative(published: Checkout) -> None:
    pages = [path.read_text() for path in (published.root / "web" / "simple").rglob("*.html")]
    assert len(pages) == 3
    assert [page for page in pages if 'href="/' in page or "href='/" in page] == []
    text = (published.root / "web" / "simple" / "alpha" / "index.html").read_text()
    assert f'href="../../packages/{FILES[0].filename}#sha256={FILES[0].sha256}"' in text


def test_a_page_tells_hash_python_and_sidecar_of_each_file(published: Checkout) -> None:
    page = published.root / "web" / "simple" / "alpha" / "index.html"
    one = FILES[0]
    assert f'data-core-metadata="sha256={hashlib.sha256(one.metadata).hexdigest()}"' in page.read_text()
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in page.read_text()


def test_sidecars_are_metadata_s_exact_bytes(checkout: Checkout, upstream: Upstream) -> None:
    odd = b"Metadata-Version: 2.1\r\nName: alpha\r\nVersion: 1.0\r\n\r\n\xc3\xa9 \r\n\n"
    one = upstream.add(wheel("alpha", "1.0", metadata=odd))
    approve(one)
    checkout.index()
    assert (checkout.root / "web" / "packages" / f"{one.filename}.metadata").read_bytes() == odd


def test_an_sdist_has_no_sidecar(checkout: Checkout, upstream: Upstream) -> None:
    one = upstream.add(sdist("alpha", "1.0"))
    checkout.write(packages_yaml=f"{YAML}allow_sdists: [alpha]\n")
    approve(one)
    checkout.index()
    assert [path.name for path in (checkout.root / "packages").iterdir()] == [one.filename]
    assert "core-metadata" not in (checkout.root / "web" / "simple" / "alpha" / "index.html").read_text()


def test_every_page_has_its_validator(published: Checkout) -> None:
    release = (published.root / "web").resolve()
    pages = [path for path in release.rglob("*") if path.suffix in {".html", ".json", ".css", ".js", ".jsonl"}]
    pages.remove(release / "manifest.jsonl")
    assert len({path.name for path in pages}) > 5
    etags = {page: page.with_name(f"{page.name}.etag").read_text() for page in pages}
    assert etags == {page: f'W/"{hashlib.sha256(page.read_bytes()).hexdigest()[:32]}"' for page in pages}


def test_a_large_page_has_a_compressed_twin_with_the_same_validator(tmp_path: Path) -> None:
    sizes = {
        **{"large.json": PRECOMPRESSED_BYTES, "small.html": PRECOMPRESSED_BYTES - 1},
        **{"a/index.json": PRECOMPRESSED_JSON_BYTES, "b/index.json": PRECOMPRESSED_JSON_BYTES - 1},
    }
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    seal(tmp_path, sizes)
    sealed = seal(tmp_path, sizes)  # a second time for pages that were written again
    there = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert sealed == {path: fact_of(tmp_path / path) for path in there}
    assert there == [
        *("a/index.json", "a/index.json.etag", "a/index.json.gz", "a/index.json.gz.etag"),
        *("b/index.json", "b/index.json.etag"),
        *("large.json", "large.json.etag", "large.json.gz", "large.json.gz.etag", "small.html", "small.html.etag"),
    ]
    assert gzip.decompress((tmp_path / "large.json.gz").read_bytes()) == bytes(PRECOMPRESSED_BYTES)
    assert (tmp_path / "large.json.gz.etag").read_text() == (tmp_path / "large.json.etag").read_text()


def test_a_page_of_any_size_is_sealed_and_checked_piece_by_piece(tmp_path: Path) -> None:
    page = tmp_path / "page.json"
    with page.open("wb") as file:
        file.truncate(2**26)
    tracemalloc.start()
    try:
        seal(tmp_path, [page.name])
        problems = list(tree_problems(tmp_path, {page.name}, is_published=False))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problems == []
    assert peak < 2**24


def test_two_builds_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = offer("alpha-1.0-py3-none-any.whl", "alpha-2.0-py3-none-any.whl", "beta.x-1.0.tar.gz")
    build(offered, tmp_path / "one")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    build(offered, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    told = b"".join(tree(tmp_path / "one").values())
    assert [word for word in (socket.gethostname(), str(tmp_path)) if word.encode() in told] == []


def test_the_locale_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = offer(file("alpha-1.0-py3-none-any.whl", requires_python="===3.8\u00e9"))
    build(offered, tmp_path / "one")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    monkeypatch.setenv("PYTHONUTF8", "0")
    build(offered, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert "===3.8\u00e9".encode() in (tmp_path / "one" / "simple" / "alpha" / "index.html").read_bytes()


def test_pages_of_another_release_do_not_stay(published: Checkout) -> None:
    approve(FILES[2])
    published.index()
    assert [path.name for path in (published.root / "web" / "simple").iterdir() if path.is_dir()] == ["beta-gamma"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("alpha-1!2.0-py3-none-any.whl", "Unsafe package name: alpha-1!2.0-py3-none-any.whl"),
        ("alpha-1.0-foo-none-any.whl", "Invalid package name: alpha-1.0-foo-none-any.whl"),
    ],
)
def test_a_file_that_dumb_pypi_skips_is_noticed(tmp_path: Path, bad: str, said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        build(offer(bad, "beta-1.0-py3-none-any.whl"), tmp_path / "site")
    assert str(caught.value).startswith(f"dumb-pypi's pages do not match what it was given, for {bad}: ")
    assert said in str(caught.value)


def test_a_file_on_another_project_s_page_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        build(offer("alpha-beta-1.tar.gz"), tmp_path / "site")
    assert str(caught.value) == "dumb-pypi's pages do not match what it was given, for alpha-beta-1.tar.gz: "


def test_a_list_that_dumb_pypi_refuses_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        build(offer(file("alpha-1.0-py3-none-any.whl", requires_python=[])), tmp_path / "site")
    assert str(caught.value).startswith("dumb-pypi failed: ")
