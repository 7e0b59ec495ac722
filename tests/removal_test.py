"""What leaves the locks leaves the index with the switch: page, file, JSON, page for people, search, lists."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from allowed_test import BROWSER, JSON, publish_again
from approved import approve
from index_test import tree
from project import served
from published import ALPHA, BETA, GAMMA, YANKED, Published

# What tells that it was here: the story of the releases.
TELLING = {"changes.json", "changes/index.html"}


def ask(url: str, target: str, fields: Mapping[str, str] = {}, method: str = "GET") -> tuple[int, str, bytes]:
    """Return status, ETag and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=10)
    try:
        connection.request(method, target, headers=dict(fields))
        answer = connection.getresponse()
        return answer.status, answer.headers["ETag"] or "", answer.read()
    finally:
        connection.close()


def targets(release: Path, word: str) -> list[str]:
    """Return the URLs of all that bears a word in its name, in a release and in its pool; folders with their slash."""
    paths = [str(path.relative_to(release)) for path in (*release.rglob("*"), *(release / "packages").iterdir())]
    files = [path for path in paths if word in path]
    names = {*files, *(path.removesuffix("index.html") for path in files), *(path.lower() for path in files)}
    return sorted(f"/{quote(name, safe='/+')}" for name in names)


def answered(url: str, targets: Iterable[str]) -> dict[str, str]:
    """Return the ETags of what is there."""
    found = {target: ask(url, target) for target in targets}
    return {target: etag for target, (status, etag, _) in found.items() if status in (200, 308)}


def statuses(url: str, target: str, etag: str) -> set[int]:
    """Ask in every way for what was there, as somebody who still has it would too."""
    fields: list[dict[str, str]] = [{}, {"Accept": JSON}, {"Accept": BROWSER}, {"Accept-Encoding": "gzip"}]
    fields += [{"If-None-Match": etag}] if etag else []
    fields += [{"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, {"Range": "bytes=0-1"}]
    return {*(ask(url, target, each)[0] for each in fields), ask(url, target, method="HEAD")[0]}


def unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files as their readers see them."""
    return {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in files.items()}


# The word that is in the name of all that goes, and what was there before at the least.
GOING = {
    "a project": (
        "alpha",
        (BETA, GAMMA),
        {
            *("/simple/alpha/", "/simple/alpha/index.html", "/simple/alpha/index.json", "/simple/alpha"),
            *("/project/alpha/", "/project/alpha/index.html", "/project/alpha"),
            *(f"/packages/{one.filename}{ending}" for one in (ALPHA, YANKED) for ending in ("", ".metadata")),
            f"/provenance/{ALPHA.filename}.json",
        },
    ),
    "a project of an sdist": (
        "gamma",
        (ALPHA, YANKED, BETA),
        {"/simple/gamma/", "/simple/gamma/index.json", "/project/gamma/", f"/packages/{GAMMA.filename}"},
    ),
    "a version": (
        "alpha-1.0",
        (YANKED, BETA, GAMMA),
        {
            *(f"/packages/{ALPHA.filename}", f"/packages/{ALPHA.filename}.metadata"),
            f"/provenance/{ALPHA.filename}.json",
        },
    ),
}


@pytest.mark.parametrize(("word", "left", "least"), GOING.values(), ids=GOING)
def test_what_is_removed_is_nowhere_any_more(
    published: Published, word: str, left: tuple[object, ...], least: set[str]
) -> None:
    asked = targets(published.live, word)
    asked += [target.removesuffix("/") for target in asked if target.endswith("/")]
    asked += [f"/simple/{word.title()}/", f"/simple/{word.upper()}", f"/project/{word.title()}/"]
    with served(published.root) as url:
        before = answered(url, asked)
        assert least - before.keys() == set()
        approve(*left)  # type: ignore[arg-type]
        publish_again(published)
        assert {
            target: found for target in asked if (found := statuses(url, target, before.get(target, ""))) != {404}
        } == {}
    pages = unpacked(tree(published.live))
    assert {name for name, data in pages.items() if word.encode() in data} <= TELLING | {
        f"{name}.gz" for name in TELLING
    }
    assert list((published.root / "packages").glob(f"{word}*")) == []
    for name in TELLING & pages.keys():
        assert f'href="../project/{word}'.encode() not in pages[name]
