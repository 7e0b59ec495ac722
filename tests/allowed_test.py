"""The lock is the allow-list: what stands in PYPI_ROOT without an approval is named, not served, and not listed."""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from approved import approve
from distributions import wheel
from index_test import tree
from project import find_caddy, served
from published import ALPHA, BETA, GAMMA, Published

from scripts import index, verify
from scripts.build import validator

MARK = b"nobody approved this"
# What a stray is called is on no page; names that would be part of an approved one cannot be told from it.
STRAY = "stray-1.0-py3-none-any.whl"
STRAY_WHEEL = wheel("stray", "1.0", files={"stray.py": MARK})
TWIN = wheel("alpha", "1.0", files={"alpha.py": MARK})
NEW_LINE = "stray\n-1.0-py3-none-any.whl"
NOT_UTF8 = os.fsdecode(b"stray-\xff-1.0-py3-none-any.whl")
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
JSON = "application/vnd.pypi.simple.v1+json"
NOWHERE = "http://127.0.0.1:9/simple/"


def publish_again(published: Published) -> None:
    """Run `make index`; nobody upstream is needed for it."""
    index.main([f"--root={published.root}", f"--upstream={NOWHERE}", f"--caddy={find_caddy()}"])


@pytest.fixture
def two(published: Published) -> Published:
    """An index with an older release, which had one more file, and the one that is live."""
    approve(ALPHA, BETA, GAMMA)
    publish_again(published)
    return published


# Planting


def put(path: Path, data: bytes = MARK) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def kinds(folder: Path, outside: Path) -> Iterator[str]:
    """Put one stray of each kind into a folder; yields what each is called there."""
    secret = outside / "secret.txt"
    for name in (
        STRAY,
        "notes.txt",
        ".hidden",
        f".{STRAY}",
        f"{STRAY}.metadata",
        "stray\n-1.0-py3-none-any.whl",
        NOT_UTF8,
    ):
        put(folder / name, STRAY_WHEEL.data if name == STRAY else MARK)
        yield name
    (folder / "outside-1.0-py3-none-any.whl").symlink_to(secret)
    (folder / "stray-1.0.tar.gz").symlink_to("../.." if folder.parent.name == "releases" else "..")
    (folder / "beyond").symlink_to(outside)
    (folder / "dangling-1.0.zip").symlink_to("/nowhere")
    (folder / "twice-1.0-py3-none-any.whl").hardlink_to(secret)
    os.mkfifo(folder / "pipe-1.0-py3-none-any.whl")
    put(folder / "deep" / STRAY)
    yield from ("outside-1.0-py3-none-any.whl", "stray-1.0.tar.gz", "beyond", "dangling-1.0.zip")
    yield from ("twice-1.0-py3-none-any.whl", "pipe-1.0-py3-none-any.whl", "deep")


def in_pool(packages: Path) -> Iterator[str]:
    """Put twins of what is approved into the pool, and sidecars that belong to nothing."""
    for name in ("Alpha-1.0-py3-none-any.whl", "ALPHA-1.0-PY3-NONE-ANY.whl", "alpha-1.0-1-py3-none-any.whl"):
        put(packages / name, TWIN.data)
        yield name
    for name in (
        f"{GAMMA.filename}.metadata",
        f"{ALPHA.filename}.metadata.metadata",
        f"{ALPHA.filename}\n",
        "a\nb.whl",
    ):
        put(packages / name)
        yield name


def in_release(release: Path) -> Iterator[str]:
    """Put pages that nobody built into a release, and twins of those that somebody did."""
    for folder in ("simple/stray", "project/stray", "simple/Alpha", "simple/alpha\n", "simple/.alpha", ".well-known"):
        for page in ("index.html", "index.json"):
            put(release / folder / page)
        yield folder
    twin = release / "simple/alpha/index.html.gz"
    assert not twin.exists()
    put(twin, gzip.compress(MARK))
    put(twin.with_name("index.html.gz.etag"), validator(MARK).encode())
    yield from ("simple/alpha/index.html.gz", "simple/alpha/index.html.gz.etag")
    for name in (
        "simple/stray.json",
        "notes.txt.gz",
        "project/alpha/index.HTML",
        "provenance/stray.json",
        "favicon.svg.gz",
    ):
        put(release / name)
        yield name
    (release / "simple/etc").symlink_to("/etc")
    (release / "project/root").symlink_to("../../..")
    yield from ("simple/etc", "project/root")


def plant(two: Published, outside: Path) -> dict[str, list[str]]:
    """Put strays everywhere where somebody with write access could; returns what each folder got."""
    put(outside / "secret.txt")
    root, live = two.root, two.live
    older = next(path for path in sorted((root / "releases").iterdir()) if path != live)
    everywhere = (root, root / "packages", root / "retired", root / "incoming", root / "releases", root / "bin")
    got = {str(folder.relative_to(root)): list(kinds(folder, outside)) for folder in (*everywhere, live, older)}
    for folder in ("simple", "simple/alpha", "project/alpha", "provenance", "changes"):
        got[f"releases/{live.name}/{folder}"] = list(kinds(live / folder, outside))
    got["packages"] += in_pool(root / "packages")
    got[f"releases/{live.name}"] += in_release(live)
    return got


# Asking


def spellings(path: str) -> Iterator[bytes]:
    """Yield ways to ask for a path below the top, as they go over the wire."""
    raw = os.fsencode(path)
    plain = quote(raw).encode()
    yield b"/" + "".join(f"%{byte:02x}" for byte in raw).encode()
    yield from (b"/" + one for one in (plain, plain.replace(b"/", b"%2f"), quote(plain).encode()))
    for before in (b"//", b"/./", b"/simple/../", b"/%2e/", b"/packages/..%2f", b"/../", b"/..%5c"):
        yield before + plain
    for after in (b"/", b"?x=1", b"%00", b"%20", b"%2e", b".gz", b".etag", b";x"):
        yield b"/" + plain + after


def targets(folder: str, name: str, live: str) -> Iterator[bytes]:
    """Yield the targets by which a reader might hope to reach a stray, or what is in it or behind it."""
    where = name if folder == "." else f"{folder}/{name}"
    own = where.removeprefix(f"releases/{live}/")
    yield from spellings(own)
    yield from spellings(f"packages/{name}")
    outside = (
        () if own != where or folder == "packages" else (f"../{where}", f"../../{where}", f"packages/../../../{where}")
    )
    inside = ("", "index.html", "index.json", STRAY, "secret.txt", "passwd", "packages/", "incoming/")
    for path in (own, *outside):
        yield from (f"/{quote(os.fsencode(path))}/{more}".encode() for more in inside)


class Reader:
    """Asks one server, over one connection while it holds."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=10)

    def ask(self, target: bytes, accept: str) -> tuple[int, bytes]:
        """Return the status and the body, unpacked: a compressed twin may be what nobody approved."""
        self._connection.putrequest("GET", target.decode("ascii"), skip_accept_encoding=True)
        self._connection.putheader("Accept", accept)
        self._connection.putheader("Accept-Encoding", "gzip")
        self._connection.endheaders()
        answer = self._connection.getresponse()
        body = answer.read()
        return answer.status, gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def leaks(url: str, targets: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """Return what of the targets has an answer of ours that holds the mark, or what is outside."""
    reader, found = Reader(url), []
    for target in targets:
        for accept in (BROWSER, JSON) if target.startswith(b"/simple/") else (BROWSER,):
            status, body = reader.ask(target, accept)
            if MARK in body or b"root:" in body or status not in (200, 308, 400, 404):
                found.append((target, accept))
    reader.close()
    return found


def named(capsys: pytest.CaptureFixture[str], two: Published) -> list[str]:
    """Run `make verify`; return its lines without where the shared folder is."""
    verify.main([f"--root={two.root}"])
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix(f"{two.root}/") for line in lines if not line.startswith(f"{two.root}: ")]


def shown(name: str) -> str:
    """Return a name as `make verify` prints it: what a terminal would obey is not printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def expected(got: dict[str, list[str]]) -> set[str]:
    """Return the paths that `make verify` is to name.

    What waits in incoming/ may have been left by a run that failed; retired/ holds whatever left the pool.
    """
    waiting = {f"incoming/{name}" for name in (STRAY, "twice-1.0-py3-none-any.whl")}
    paths = {name if folder == "." else f"{folder}/{name}" for folder, names in got.items() for name in names}
    return {shown(path) for path in paths - waiting if not path.startswith("retired/")}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def test_what_nobody_approved_is_named_and_after_the_next_run_neither_served_nor_listed(
    two: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older, live = sorted(path.name for path in (two.root / "releases").iterdir())
    got = plant(two, tmp_path / "outside")
    assert expected(got) - {line.partition(": ")[0] for line in named(capsys, two)} == set()
    asked = {target for folder, names in got.items() for name in names for target in targets(folder, name, live)}
    there = [b"/packages/stray-1.0-py3-none-any.whl", b"/simple/alpha/", b"/simple/stray/"]
    with served(two.root) as url:
        # That the questions are the right ones: before the next run some of it is there.
        assert sorted({target for target, _ in leaks(url, there)}) == there
        publish_again(two)
        capsys.readouterr()
        assert leaks(url, [*there, *sorted(asked)]) == []
    assert two.live.name != live
    pages = tree(two.live)
    assert [path for path, data in pages.items() if MARK in data or b"stray" in data or "stray" in path] == []
    # What stands outside the pool and the release is not ours to remove.
    left = named(capsys, two)
    assert [
        line for line in left if not line.endswith(("; remove it", f", so remove {two.root}/releases/{older}"))
    ] == []
    remove(two.root / "releases" / older)
    for folder in (".", "bin", "releases"):
        for name in got[folder]:
            remove(two.root / folder / name)
    assert named(capsys, two) == []


def test_an_empty_folder_in_the_live_release_goes_with_the_next_run(
    two: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("hollow", "simple/alpha/hollow"):
        (two.live / folder).mkdir()
    publish_again(two)
    capsys.readouterr()
    assert named(capsys, two) == []
