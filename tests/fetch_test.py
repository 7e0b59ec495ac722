"""scripts/fetch.py and upstream.py: every pin ends with its file, or the run with one list of what is missing."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from approved import approve, approve_only, missing
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from index_test import refusal, tree
from upstream import JSON, Kind, Upstream

from scripts import CODE, cores, terminal

ALPHA = wheel("alpha", "1.0")
BETA = wheel("beta", "2.0")
TARGET = "3.12-manylinux_2_28_x86_64"
LOCK = f"locks/requirements/{TARGET}.txt"
SDISTS = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\nallow_sdists: [alpha]\n'


def live(checkout: Checkout) -> dict[str, bytes]:
    """Return what readers see."""
    return {path: data for path, data in tree(checkout.root).items() if not path.startswith("incoming/")}


@pytest.fixture
def one_published(checkout: Checkout, upstream: Upstream) -> dict[str, bytes]:
    """Publish beta, so that there is something to leave untouched."""
    upstream.add(BETA)
    approve(BETA)
    checkout.index()
    upstream.requests.clear()
    return live(checkout)


# What is fetched


def test_wheels_for_other_machines_are_fetched(checkout: Checkout, upstream: Upstream) -> None:
    tags = {
        "3.9-win32": "cp39-cp39-win32",
        "3.13-macosx_14_0_arm64": "cp313-cp313-macosx_11_0_arm64",
        "3.12-musllinux_1_2_aarch64": "cp312-cp312-musllinux_1_1_aarch64",
        "3.14t-manylinux_2_28_x86_64": "cp314-cp314t-manylinux_2_17_x86_64",
    }
    files = [upstream.add(wheel("gamma", "1.0", tag=tag)) for tag in tags.values()]
    pythons, platforms = zip(*(target.split("-", 1) for target in tags), strict=True)
    for python, platform, one in zip(pythons, platforms, files, strict=True):
        checkout.write(
            "gamma==1.0\n", packages_yaml=f'python_versions: ["{python}"]\nplatforms: [{platform}]\nclosure: off\n'
        )
        shutil.rmtree("locks", ignore_errors=True)
        approve_only(one)
        checkout.index()
        assert (checkout.root / "web" / "packages" / one.filename).read_bytes() == one.data


def test_what_a_wheel_needs_is_not_fetched_with_it(checkout: Checkout, upstream: Upstream) -> None:
    needy = upstream.add(wheel("needy", "1.0", requires=["other"]))
    upstream.add(wheel("other", "1.0"))
    checkout.write("needy==1.0\n")
    approve_only(needy)
    checkout.index()
    assert upstream.file_requests() == [needy.filename]


def test_two_versions_of_a_project_in_one_lock_are_fetched(checkout: Checkout, upstream: Upstream) -> None:
    both = [upstream.add(wheel("alpha", version)) for version in ("1.0", "2.0")]
    approve(*both)
    checkout.index()
    assert sorted(upstream.file_requests()) == [one.filename for one in both]
    assert {path.name for path in (checkout.root / "packages").glob("*.whl")} == {one.filename for one in both}


def test_a_file_for_many_targets_is_fetched_once(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    checkout.write(
        packages_yaml='python_versions: ["3.11", "3.12"]\nplatforms: [win_amd64, macosx_14_0_arm64]\nclosure: off\n'
    )
    approve(ALPHA)
    checkout.index()
    assert upstream.file_requests() == [ALPHA.filename]


def test_a_file_is_hashed_as_it_arrives_then_once_by_a_run_and_once_more_where_it_is_served(
    checkout: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    opened, read, names = os.open, os.read, dict[int, str]()

    def noted(path: Any, *flags: Any, **more: Any) -> int:
        place = opened(path, *flags, **more)
        names[place] = Path(path).name
        return place

    def counted(place: int, size: int) -> bytes:
        if name := names.pop(place, ""):
            hashed.append(name)
        return read(place, size)

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(os, "read", counted)
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    download = "0"  # the first one's name, until it is what was approved
    assert [name for name in hashed if name in {download, ALPHA.filename}] == [download, *[ALPHA.filename] * 2]
    hashed.clear()
    (checkout.root / ".last-run").unlink()
    upstream.add(BETA)
    approve(ALPHA, BETA)
    checkout.index()
    assert hashed.count(ALPHA.filename) == 1


def test_nothing_is_forked_between_downloads_whose_threads_may_still_live_and_the_next_look(
    checkout: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks: list[str] = []
    fork = os.fork

    def noted() -> int:
        forks.append("a fork")
        return fork()

    monkeypatch.setattr(os, "fork", noted)
    monkeypatch.setattr(cores, "_LOAD", 1)
    for one in (ALPHA, BETA):
        upstream.add(one)
    approve(ALPHA, BETA, wheel("gamma", "1.0"))
    assert refusal(checkout).startswith("1 of 3 pins have no file")
    assert forks == []
    assert refusal(checkout).startswith("1 of 3 pins have no file")  # the others are held now, and hashed by all cores
    assert bool(forks) == (cores.cores() > 1)


def test_an_upstream_of_html_alone_will_do(checkout: Checkout, upstream: Upstream) -> None:
    upstream.json = False
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


def test_an_upstream_that_tells_no_sizes_will_do(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA, size=False)
    approve(ALPHA)
    checkout.index()
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


@pytest.mark.parametrize("json", [True, False])
def test_an_upstream_that_tells_no_hashes_will_do(checkout: Checkout, upstream: Upstream, json: bool) -> None:
    upstream.json = json
    upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"), hashes=False)
    best = upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64"), hashes=False)
    upstream.add(wheel("alpha", "1.0"), hashes=False)
    checkout.write("alpha==1.0\n")
    assert checkout.lock() == 0
    checkout.index()
    assert [path.name for path in (checkout.root / "packages").glob("*.whl")] == [best.filename]


def test_a_redirect_is_followed(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    upstream.fault("/simple/alpha/", "redirect")
    upstream.fault(ALPHA.filename, "redirect")
    approve(ALPHA)
    checkout.index()
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


@pytest.mark.parametrize("absolute", [False, True])
def test_user_and_password_of_the_index_url_are_used_and_never_printed(
    checkout: Checkout, upstream: Upstream, absolute: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.credentials = ("reader", "se/cret@1")
    upstream.absolute_urls = absolute
    url = upstream.url.replace("//", "//reader:se%2Fcret%401@")
    beta = upstream.add(sdist("alpha", "1.0"))
    upstream.add(BETA)
    checkout.write(packages_yaml=SDISTS)
    approve(beta, BETA)
    upstream.fault(BETA.filename, "404")
    text = refusal(checkout, f"--upstream={url}")
    upstream.fault(BETA.filename, None)
    upstream.fault("/simple/beta/", "500")
    text += refusal(checkout, f"--upstream={url}")
    upstream.fault("/simple/beta/", None)
    checkout.index(f"--upstream={url}")
    assert {path.name for path in (checkout.root / "packages").iterdir()} == {
        beta.filename,
        BETA.filename,
        f"{BETA.filename}.metadata",
    }
    everything = text + "".join(capsys.readouterr()) + str(tree(checkout.root))
    assert "cret" not in everything


def test_user_and_password_of_the_index_url_are_for_its_own_host_alone(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    where = f"{upstream.url.removesuffix('simple/')}files/{ALPHA.sha256[:2]}/{ALPHA.filename}"
    approve(ALPHA)
    with hostile_upstream(ALPHA.filename, ALPHA, where) as url:
        checkout.index(f"--upstream={url.replace('//', '//reader:secret@')}")
    assert [request.headers.get("authorization") for request in upstream.requests] == [None]


def test_other_indexes_of_the_user_are_never_asked(
    checkout: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ALPHA.save(tmp_path)
    approve(ALPHA)
    upstream.add(BETA)
    with Upstream() as extra:
        extra.add(ALPHA)
        (tmp_path / "pip.conf").write_text(f"[global]\nextra-index-url = {extra.url}\nfind-links = {tmp_path}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", extra.url)
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
        assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): the upstream does not know the project", of=1)
        assert extra.requests == []


# Allowed sdists


def test_an_allowed_sdist_is_served_and_none_of_its_code_runs(
    checkout: Checkout, upstream: Upstream, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    one = upstream.add(sdist("alpha", "1.0", trace=trace, build_backend_in_tree=True))
    checkout.write(packages_yaml=SDISTS)
    approve(one)
    checkout.index()
    assert (checkout.root / "web" / "packages" / one.filename).read_bytes() == one.data
    assert f'href="../../packages/{one.filename}#sha256={one.sha256}"' in (
        (checkout.root / "web" / "simple" / "alpha" / "index.html").read_text()
    )
    assert not trace.exists()


def test_an_sdist_that_is_not_allowed_is_refused(checkout: Checkout, upstream: Upstream, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    one = upstream.add(sdist("alpha", "1.0", trace=trace, build_backend_in_tree=True))
    approve(one)
    assert refusal(checkout) == missing(
        f"alpha 1.0 ({LOCK}): {one.filename} is an sdist and alpha is not in allow_sdists", of=1
    )
    assert not trace.exists()


def test_a_wheel_is_not_built_because_its_url_says_sdist(
    checkout: Checkout, upstream: Upstream, tmp_path: Path
) -> None:
    # A wheel and a .zip sdist are the same format, and pip goes by the end of the URL.
    trace = tmp_path / "trace"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n".encode()
    project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    trap = wheel("alpha", "1.0", files={"backend.py": code, "pyproject.toml": project, "setup.py": code})
    upstream.add(Distribution("alpha-1.0.zip", trap.data, trap.metadata), project="other")
    where = f"{upstream.url.removesuffix('simple/')}files/{trap.sha256[:2]}/alpha-1.0.zip"
    approve(trap)
    with hostile_upstream(trap.filename, trap, where) as url:
        assert checkout.index(f"--upstream={url}") == 0
    assert (checkout.root / "web" / "packages" / trap.filename).read_bytes() == trap.data
    assert not trace.exists()


@pytest.mark.parametrize("kind", ["404", "500", "truncate", "endless", "lie", "tampered"])
def test_a_faulty_sdist_is_not_taken(
    checkout: Checkout, upstream: Upstream, one_published: dict[str, bytes], kind: str
) -> None:
    one = upstream.add(sdist("alpha", "1.0"))
    if kind == "tampered":
        upstream.replace(Distribution(one.filename, bytes(len(one.data)), b""))
    elif kind != "tampered":
        upstream.fault(one.filename, kind)  # type: ignore[arg-type]
    checkout.write(packages_yaml=SDISTS)
    approve(one, BETA)
    reasons = {
        "404": "HTTP 404",
        "500": "HTTP 500",
        "truncate": "the answer breaks off",
        "endless": "the download is larger than 1048576 bytes",
        "lie": "the answer breaks off",
        "tampered": "the download does not have the locked sha256",
    }
    assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): {reasons[kind]}", of=2)
    assert live(checkout) == one_published


# Downloads that fail


@pytest.mark.parametrize("kind", ["404", "500", "truncate", "endless", "lie"])
def test_a_faulty_download_is_not_taken(
    checkout: Checkout, upstream: Upstream, one_published: dict[str, bytes], kind: Kind
) -> None:
    upstream.add(ALPHA)
    upstream.fault(ALPHA.filename, kind)
    approve(ALPHA, BETA)
    reasons = {
        "404": "HTTP 404",
        "500": "HTTP 500",
        "truncate": "the answer breaks off",
        "endless": "the download is larger than 1048576 bytes",
        "lie": "the answer breaks off",
    }
    assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): {reasons[kind]}", of=2)
    assert live(checkout) == one_published


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("kind", ["500", "truncate", "lie"])
def test_a_download_that_fails_is_tried_again_from_where_it_broke_off(
    checkout: Checkout, upstream: Upstream, kind: Kind, ranges: bool
) -> None:
    upstream.ranges = ranges
    big = upstream.add(wheel("alpha", "1.0", files={"alpha.bin": os.urandom(10**6)}))
    upstream.fault(big.filename, kind, times=1)
    approve(big)
    assert checkout.index() == 0
    assert (checkout.root / "web" / "packages" / big.filename).read_bytes() == big.data
    first, again = (request.headers.get("range") for request in upstream.requests if big.filename in request.path)
    came = {"500": 0, "truncate": len(big.data) // 2, "lie": len(big.data)}[kind]
    assert first is None
    assert again == (f"bytes={came // 2**16 * 2**16}-" if came else None)


def test_a_tampered_download_is_not_taken(
    checkout: Checkout, upstream: Upstream, one_published: dict[str, bytes]
) -> None:
    upstream.add(ALPHA)
    upstream.replace(wheel("alpha", "1.0", files={"alpha.py": b"evil"}))
    approve(ALPHA, BETA)
    assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): the download does not have the locked sha256", of=2)
    assert live(checkout) == one_published
    assert list((checkout.root / "incoming").iterdir()) == []


@pytest.mark.parametrize("kind", ["slow", "hang"])
@pytest.mark.parametrize("one", [ALPHA, sdist("alpha", "1.0")], ids=["wheel", "sdist"])
def test_a_download_that_takes_too_long_is_given_up(
    checkout: Checkout, upstream: Upstream, one: Distribution, kind: Kind
) -> None:
    upstream.add(one)
    upstream.fault(one.filename, kind)
    checkout.write(packages_yaml=SDISTS)
    approve(one)
    assert refusal(checkout, "--fetch-timeout=1") == missing(f"alpha 1.0 ({LOCK}): not done within FETCH_TIMEOUT", of=1)


@pytest.mark.parametrize("size", [10**30, 0, -1])
def test_a_hostile_size_is_not_believed(checkout: Checkout, upstream: Upstream, size: int) -> None:
    upstream.add(ALPHA, size=size)
    approve(ALPHA)
    assert checkout.index() == 0
    assert json.loads((checkout.root / "web/simple/alpha/index.json").read_text())["files"][0]["size"] == len(
        ALPHA.data
    )


@pytest.mark.parametrize("one", [ALPHA, sdist("alpha", "1.0")], ids=["wheel", "sdist"])
def test_a_length_that_is_too_small_yields_no_file(
    checkout: Checkout, upstream: Upstream, one: Distribution, one_published: dict[str, bytes]
) -> None:
    upstream.add(one)
    upstream.fault(one.filename, "lie", says=100)
    checkout.write(packages_yaml=SDISTS)
    approve(one, BETA)
    assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): the download does not have the locked sha256", of=2)
    assert live(checkout) == one_published
    assert list((checkout.root / "incoming").iterdir()) == []


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("is_sdist", [False, True])
def test_other_bytes_are_not_taken_where_the_upstream_tells_no_hash(
    checkout: Checkout, upstream: Upstream, json: bool, is_sdist: bool, one_published: dict[str, bytes]
) -> None:
    upstream.json = json
    one = upstream.add(sdist("alpha", "1.0") if is_sdist else ALPHA, hashes=False, size=False)
    other = sdist("alpha", "1.0", requires=["x"]) if is_sdist else wheel("alpha", "1.0", files={"a.py": b"evil"})
    upstream.replace(other)
    checkout.write(packages_yaml=SDISTS)
    approve(one, BETA)
    assert refusal(checkout) == missing(f"alpha 1.0 ({LOCK}): the download does not have the locked sha256", of=2)
    assert live(checkout) == one_published


def test_what_arrived_is_kept_and_not_asked_for_again(checkout: Checkout, upstream: Upstream) -> None:
    for one in (ALPHA, BETA):
        upstream.add(one)
    approve(ALPHA, BETA)
    upstream.fault(BETA.filename, "404")
    refusal(checkout)
    assert not (checkout.root / "web").exists()
    upstream.fault(BETA.filename, None)
    upstream.requests.clear()
    checkout.index()
    assert upstream.file_requests() == [BETA.filename]
    assert upstream.page_requests() == ["/simple/beta/"]
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data
    assert list((checkout.root / "incoming").iterdir()) == []


# The list of what is missing


def test_everything_that_is_missing_is_in_one_list(checkout: Checkout, upstream: Upstream) -> None:
    checkout.write(
        packages_yaml='python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\nclosure: off\n'
    )
    old, new = wheel("epsilon", "1.0"), wheel("epsilon", "1.1")
    gone, wrong = wheel("gone", "1.0"), wheel("wrong", "1.0")
    linux = upstream.add(wheel("zeta", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"))
    for one in (ALPHA, new, wheel("wrong", "1.0", build="1"), wheel("wrong", "1.0", build="2")):
        upstream.add(one)
    checkout.write("alpha==1.0\nepsilon==1.0\ngone==1.0\nwrong==1.0\nzeta==1.0\n")
    approve_only(ALPHA, old, gone, wrong, linux)
    both = f"{LOCK}, locks/requirements/3.12-win_amd64.txt"
    assert refusal(checkout) == missing(
        f"epsilon 1.0 ({both}): the upstream does not have version 1.0 any more; it has 1.1",
        f"gone 1.0 ({both}): the upstream does not know the project",
        f"wrong 1.0 ({both}): the upstream has no file with sha256 {wrong.sha256}; of 1.0 it has "
        "wrong-1.0-1-py3-none-any.whl, wrong-1.0-2-py3-none-any.whl",
        f"zeta 1.0 ({both}): {linux.filename} does not fit 3.12-win_amd64",
        of=5,
    )
    assert not (checkout.root / "web").exists()
    # What could be fetched stays for the next run.
    assert {path.name for path in (checkout.root / "incoming").glob("*.whl")} == {ALPHA.filename}


def test_a_page_that_lists_nothing_of_the_project_is_told_from_none(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(BETA, project="alpha")
    approve(ALPHA)
    assert refusal(checkout) == missing(
        f"alpha 1.0 ({LOCK}): the upstream does not have version 1.0 any more; it lists no file of the project", of=1
    )


def test_a_file_of_another_release_does_not_pass_for_the_locked_one(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(BETA, project="alpha")
    checkout.write("alpha==1.0\n")
    approve_only(Distribution(ALPHA.filename, BETA.data, b""))
    assert refusal(checkout) == missing(
        f"alpha 1.0 ({LOCK}): the file with the locked sha256 is {BETA.filename}, another release", of=1
    )


def test_one_name_with_two_hashes_on_a_page_is_refused(checkout: Checkout) -> None:
    other = wheel("alpha", "1.0", files={"alpha.py": b"other"})
    approve(ALPHA, other)
    files = [page_file(one.filename, one, f"http://127.0.0.1:1/{one.filename}") for one in (ALPHA, other)]
    with serving({"/simple/alpha/": (JSON, page(*files))}) as url:
        text = refusal(checkout, f"--upstream={url}")
    # Which of the two comes first is the lock's order, by hash.
    assert f"alpha 1.0 ({LOCK}): {ALPHA.filename} is locked with two hashes; run make upgrade" in text


# An upstream that is down, or talks nonsense


def test_an_upstream_that_knows_nothing_is_asked_at_another_address(checkout: Checkout) -> None:
    approve(ALPHA, BETA)
    url = checkout.upstream.url.removesuffix("/simple/").replace("//", "//user:secret@")
    assert refusal(checkout, f"--upstream={url}") == (
        f"{url.replace('user:secret@', '')}: knows none of 2 projects; "
        "is UPSTREAM the address of an index, such as https://pypi.org/simple/?"
    )


def test_an_upstream_that_is_down_is_named(
    checkout: Checkout, upstream: Upstream, one_published: dict[str, bytes]
) -> None:
    approve(ALPHA, BETA)
    upstream.stop()
    assert refusal(checkout) == f"{upstream.url}alpha/: no connection; is UPSTREAM right, and up?"
    assert live(checkout) == one_published


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        ("500", "HTTP 500; is UPSTREAM right, and up?"),
        ("nonsense", "not a page of a package index; is UPSTREAM right?"),
        ("truncate", "the answer breaks off; is UPSTREAM right, and up?"),
    ],
)
@pytest.mark.parametrize("json", [True, False])
def test_a_page_that_is_none_is_named(
    checkout: Checkout,
    upstream: Upstream,
    one_published: dict[str, bytes],
    kind: Kind,
    fact: str,
    json: bool,
) -> None:
    upstream.json = json
    upstream.add(ALPHA)
    upstream.fault("/simple/alpha/", kind)
    approve(ALPHA, BETA)
    assert refusal(checkout) == f"{upstream.url}alpha/: {fact}"
    assert live(checkout) == one_published


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b"null"),
        (JSON, b'{"files": {}}'),
        (JSON, b'{"meta": {"api-version": "2.0"}, "name": "alpha", "files": []}'),
        (JSON, b'{"meta": {"api-version": "1.1"}, "name": "alpha", "files": [{"filename": 1}]}'),
        (JSON, b"[" * 100_000),
        (JSON, b"\xff\xfe"),
        ("text/html", b"\xff\xfe"),
        ("text/html", b'<meta name="pypi:repository-version" content="2.0">'),
        ("image/png", b"PNG"),
        ("", b""),
    ],
)
def test_nonsense_is_one_sentence(checkout: Checkout, content_type: str, body: bytes) -> None:
    approve(ALPHA)
    with serving({"/simple/alpha/": (content_type, body)}) as url:
        assert refusal(checkout, f"--upstream={url}") == (
            f"{url}alpha/: not a page of a package index; is UPSTREAM right?"
        )


@pytest.mark.parametrize("kind", ["slow", "hang"])
def test_a_page_that_takes_too_long_is_given_up(checkout: Checkout, upstream: Upstream, kind: Kind) -> None:
    upstream.add(ALPHA)
    upstream.fault("/simple/alpha/", kind)
    approve(ALPHA)
    assert refusal(checkout, "--fetch-timeout=1") == (
        f"{upstream.url}: not done within FETCH_TIMEOUT; is UPSTREAM right, and up?"
    )


def test_an_endless_page_is_cut_off(checkout: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.upstream.MAX_PAGE_BYTES", 1_000_000)
    upstream.add(ALPHA)
    upstream.fault("/simple/alpha/", "endless")
    approve(ALPHA)
    assert refusal(checkout) == f"{upstream.url}alpha/: the page is larger than 1000000 bytes"


@pytest.mark.parametrize("url", ["https://:x/", "https://exa mple/simple", "https://reader:secret@\u2028/"])
def test_a_url_that_is_none_is_one_sentence(checkout: Checkout, url: str) -> None:
    approve(ALPHA)
    text = refusal(checkout, f"--upstream={url}")
    plain = url.replace("reader:secret@", "").rstrip("/")
    assert text == f"{plain}/alpha/: no URL that can be asked; is UPSTREAM right, and up?"


# What became of files that are held


def held_on(text: str) -> str:
    return f"{ALPHA.filename}: {text}; served on from what is held"


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("fate", ["deleted", "yanked", "yanked without a reason", "changed", "new file", "no hashes"])
def test_a_held_file_is_served_on_whatever_became_of_it_upstream_and_the_run_says_so(
    checkout: Checkout, upstream: Upstream, fate: str, json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.json = json
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    new = upstream.add(wheel("alpha", "2.0"))
    other = wheel("alpha", "1.0", files={"alpha.py": b"evil"})
    match fate:
        case "deleted":
            upstream.remove(ALPHA.filename)
        case "yanked":
            upstream.add(ALPHA, yanked="it <fails>\x1b[2J")
        case "yanked without a reason":
            upstream.add(ALPHA, yanked=True)
        case "changed":
            upstream.add(other)
        case "new file":
            upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64"))
        case _:
            upstream.add(ALPHA, hashes=False)
    said = {
        "deleted": [held_on("deleted upstream")],
        "yanked": [held_on("yanked upstream: it <fails> [2J")],
        "yanked without a reason": [held_on("yanked upstream, without a reason")],
        "changed": [held_on(f"the upstream has another file of this name, with sha256 {other.sha256}")],
    }
    approve(ALPHA, new)
    capsys.readouterr()
    upstream.requests.clear()
    checkout.index()
    assert capsys.readouterr().err.splitlines()[:-1] == said.get(fate, [])
    assert upstream.file_requests() == [new.filename]
    served = {path.name: path.read_bytes() for path in (checkout.root / "packages").glob("*.whl")}
    assert served == {ALPHA.filename: ALPHA.data, new.filename: new.data}


def test_a_yank_that_a_release_tells_is_no_news(
    checkout: Checkout, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.add(ALPHA, yanked="it fails")
    new = upstream.add(wheel("alpha", "2.0"))
    approve(ALPHA)
    checkout.index()
    approve(ALPHA, new)
    capsys.readouterr()
    checkout.index()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_held_file_is_served_on_when_its_project_is_gone_upstream(
    checkout: Checkout, upstream: Upstream, one_published: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.fault("/simple/beta/", "404")
    newer = wheel("beta", "3.0")
    approve(BETA, newer)
    capsys.readouterr()
    assert refusal(checkout) == missing(f"beta 3.0 ({LOCK}): the upstream does not know the project", of=2)
    assert capsys.readouterr().err == (
        f"{BETA.filename}: the upstream does not know the project any more; served on from what is held\n"
    )
    assert live(checkout) == one_published


def test_of_an_in_house_project_no_upstream_says_anything(
    checkout: Checkout, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout.path / "ours").mkdir()
    ALPHA.save(checkout.path / "ours")
    settings = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\nfirst_party: ours\n'
    checkout.write("alpha==1.0\n", packages_yaml=settings)
    assert checkout.lock() == 0
    checkout.index()
    upstream.add(wheel("alpha", "1.0", files={"alpha.py": b"evil"}))
    upstream.add(BETA)
    checkout.write("alpha==1.0\nbeta==2.0\n", packages_yaml=settings)
    assert checkout.lock() == 0
    upstream.requests.clear()
    capsys.readouterr()
    checkout.index()
    assert upstream.page_requests() == ["/simple/beta/"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_new_file_of_an_approved_version_is_neither_asked_for_nor_served(
    checkout: Checkout, upstream: Upstream
) -> None:
    upstream.add(ALPHA)
    better = upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64"))
    checkout.write("alpha==1.0\n")
    approve_only(ALPHA)
    checkout.index()
    assert upstream.file_requests() == [ALPHA.filename]
    assert [one for one in tree(checkout.root) if better.filename in one] == []
    assert better.filename.encode() not in (checkout.root / "web/simple/alpha/index.json").read_bytes()


# A hostile upstream: what it says names what is asked for, and where that is put


@pytest.mark.parametrize(
    "url",
    [
        "git+https://evil.invalid/{name}",
        "file://{path}",
        "ftp://evil.invalid/{name}",
        "https:///{name}",
        "https://evil.invalid:99999/{name}",
        f"https://{'e' * 300}.invalid/{{name}}",
        "https://evil invalid/{name}",
    ],
)
def test_a_url_that_is_no_web_address_is_not_asked(checkout: Checkout, tmp_path: Path, url: str) -> None:
    url = url.format(name=ALPHA.filename, path=ALPHA.save(tmp_path))
    approve(ALPHA)
    with hostile_upstream(ALPHA.filename, ALPHA, url) as index_url:
        text = refusal(checkout, f"--upstream={index_url}")
    assert text == missing(f"alpha 1.0 ({LOCK}): no URL that can be asked", of=1)


@pytest.mark.parametrize(
    "end", ["alpha-1.0.tar.gz", "x\n--extra-index-url=y", "x --hash=sha256:0", "${HOME}", "../../x", "x\u2028", "?a#b"]
)
def test_a_url_says_where_a_file_is_and_nothing_else(checkout: Checkout, end: str) -> None:
    approve(ALPHA)
    with hostile_upstream(ALPHA.filename, ALPHA, f"/files/{end}") as url:
        assert checkout.index(f"--upstream={url}") == 0
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


HOSTILE_NAMES = [
    "../../evil-1.0-py3-none-any.whl",
    "/tmp/alpha-1.0-py3-none-any.whl",  # noqa: S108
    "..\\alpha-1.0-py3-none-any.whl",
    "alpha-1.0-py3-none-any.whl\nbeta",
    "alpha\n-1.0-py3-none-any.whl",
    "alpha-1.0-py3-none-any.whl\0",
    "alpha\x1b[2J-1.0-py3-none-any.whl",
    ".alpha-1.0-py3-none-any.whl",
    "-alpha-1.0-py3-none-any.whl",
    "älpha-1.0-py3-none-any.whl",
    "alpha-1.0-py3-none-any.exe",
    "alpha.whl",
    f"alpha-1.0-{'x' * 250}-none-any.whl",
    "",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_file_name_is_refused(checkout: Checkout, name: str) -> None:
    approve(ALPHA)
    with hostile_upstream(name, ALPHA, f"https://evil.invalid/{ALPHA.filename}") as url:
        text = refusal(checkout, f"--upstream={url}")
    start = f"alpha 1.0 ({LOCK}): the file with the locked sha256 has no proper name: {name!r} is not the name of a"
    assert text.startswith(missing(f"{start} wheel or sdist (", of=1))
    assert len(text.splitlines()) == 2
    assert list((checkout.root / "incoming").iterdir()) == []


def test_hostile_file_names_beside_the_locked_one_do_no_harm(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    where = f"{upstream.url.removesuffix('simple/')}files/{ALPHA.sha256[:2]}/{ALPHA.filename}"
    files = [page_file(name, BETA, f"https://evil.invalid/{BETA.filename}") for name in HOSTILE_NAMES]
    approve(ALPHA)
    with serving({"/simple/alpha/": (JSON, page(*files, page_file(ALPHA.filename, ALPHA, where)))}) as url:
        assert checkout.index(f"--upstream={url}") == 0
    assert [path.name for path in (checkout.root / "packages").glob("*.whl")] == [ALPHA.filename]


def page_file(filename: str, one: Distribution, url: str) -> dict[str, Any]:
    """Return a file's object on a JSON page (PEP 691)."""
    return {"filename": filename, "hashes": {"sha256": one.sha256}, "url": url}


def page(*files: dict[str, Any]) -> bytes:
    """Return alpha's JSON page (PEP 691)."""
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "alpha", "files": files}).encode()


class _Pages(ThreadingHTTPServer):
    pages: dict[str, tuple[str, bytes]]
    otherwise = b""

    def __enter__(self) -> Any:
        self._thread = Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()
        return f"http://127.0.0.1:{self.server_port}/simple/"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _PagesHandler(BaseHTTPRequestHandler):
    server: _Pages

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        content_type, body = self.server.pages.get(self.path, ("", self.server.otherwise))
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serving(pages: dict[str, tuple[str, bytes]]) -> _Pages:
    """Serve pages as they are given: those that no index of well-formed ones would have."""
    server = _Pages(("127.0.0.1", 0), _PagesHandler)
    server.pages = pages
    return server


def hostile_upstream(filename: str, one: Distribution, url: str) -> _Pages:
    """Serve a page of alpha with one file, whose name and URL the test makes up, and the file everywhere else."""
    server = serving({"/simple/alpha/": (JSON, page(page_file(filename, one, url)))})
    server.otherwise = one.data
    return server


# Progress


def on_terminal(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """Run a command whose standard error is a terminal; return what it wrote there."""
    terminal_side, our_side = pty.openpty()[::-1]
    process = subprocess.Popen(command, env=environment, stderr=terminal_side, stdout=subprocess.DEVNULL)
    os.close(terminal_side)
    text = b"".join(_read_all(our_side))
    os.close(our_side)
    assert process.wait() == 0
    return text.decode()


def _read_all(descriptor: int) -> Iterator[bytes]:
    while True:
        select.select([descriptor], [], [])
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            return
        if not data:
            return
        yield data


def test_a_terminal_sees_files_and_bytes_of_all(checkout: Checkout, upstream: Upstream) -> None:
    big = upstream.add(wheel("alpha", "1.0", files={"alpha.py": bytes(2_500_000)}))
    upstream.add(BETA)
    approve(big, BETA)
    command = (
        *(sys.executable, "-m", "scripts.index", f"--root={checkout.root}", f"--upstream={upstream.url}"),
        f"--caddy={sys.executable}",
    )
    text = on_terminal(command, os.environ | {"PYTHONPATH": str(CODE)})
    release = (checkout.root / "web").readlink().name
    *drawn, last = [line for line in text.split("\r\x1b[K") if line and not line.startswith("Checking: ")]
    assert drawn[0] == "Fetching: 0 of 2 files, 0.0 of 2.5 MB"
    assert [line for line in drawn if not re.fullmatch(r"Fetching: \d of 2 files, \d\.\d of 2\.5 MB", line)] == []
    assert last == f"{checkout.root}: published {release}: 2 projects, 2 files (2 added, 0 retired)\r\n"


def test_a_log_gets_a_line_now_and_then(
    checkout: Checkout,
    upstream: Upstream,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upstream.add(ALPHA, size=False)
    approve(ALPHA)
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LOG_LINES", 0.0)
    checkout.index()
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Checking: ")]
    assert lines[0] == "Fetching: 0 of 1 files, 0.0 MB"
    assert [line for line in lines[:-1] if not re.fullmatch(r"Fetching: [01] of 1 files, 0\.0 MB", line)] == []


# The shared folder's strays


def test_a_twin_in_other_case_does_not_take_the_place_of_what_was_published(
    checkout: Checkout, upstream: Upstream
) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    published = live(checkout)
    for name in ("Alpha-1.0-py3-none-any.whl", "alpha-1.0-0-py3-none-any.whl", "ALPHA-1-py2.py3-none-any.whl"):
        (checkout.root / "packages" / name).write_bytes(ALPHA.data)
    checkout.index()
    assert {path: data for path, data in live(checkout).items() if not path.startswith("retired/")} == published


def test_a_link_is_not_taken_for_a_file(checkout: Checkout, upstream: Upstream, tmp_path: Path) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    place = checkout.root / "packages" / ALPHA.filename
    place.rename(tmp_path / ALPHA.filename)
    place.symlink_to(tmp_path / ALPHA.filename)
    upstream.requests.clear()
    checkout.index()
    assert upstream.file_requests() == [ALPHA.filename]
    assert not place.is_symlink()
    assert place.read_bytes() == ALPHA.data


@pytest.mark.parametrize("what", ["folder", "broken facts", "link", "half a download"])
def test_debris_among_the_downloads_is_no_obstacle(
    checkout: Checkout, upstream: Upstream, tmp_path: Path, what: str
) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    incoming = checkout.root / "incoming"
    checkout.write(packages_yaml=SDISTS)
    approve(ALPHA)
    checkout.index()
    (checkout.root / "packages" / ALPHA.filename).unlink()
    (tmp_path / "victim").write_text("precious")
    match what:
        case "folder":
            (incoming / ALPHA.filename / "x").mkdir(parents=True)
        case "broken facts":
            (incoming / ALPHA.filename).write_bytes(ALPHA.data)
            (incoming / f"{ALPHA.filename}.json").write_bytes(b"\xff{")
        case "link":
            (incoming / ALPHA.filename).symlink_to(tmp_path / "victim")
            (incoming / f".{ALPHA.filename}.json.new").symlink_to(tmp_path / "victim")
            (incoming / ".scratch").symlink_to(tmp_path)
        case _:
            (incoming / ".scratch").mkdir()
            (incoming / ".scratch" / "half").write_bytes(b"x")
            (incoming / ALPHA.filename).write_bytes(ALPHA.data[:100])
    checkout.index()
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data
    assert (tmp_path / "victim").read_text() == "precious"
    assert list(incoming.iterdir()) == []
