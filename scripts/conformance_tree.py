"""A release's folder -> problems: what stands in it, nothing else, and what the server reads beside each page."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from scripts import history, manifest, sbom
from scripts.build import has_twin, validator_of
from scripts.digest import sha256_of
from scripts.files import is_file, pieces, stat_of
from scripts.list_files import FILE
from scripts.manifest import ID_FILE
from scripts.manifest import LINK as LINK_TO_POOL
from scripts.people import AS_IS
from scripts.problem import Problem, Rule
from scripts.release import POOL

_FIXED = {
    *(FILE, "packages.json", history.FILE, sbom.FILE, "index.html", "changes/index.html", "not-here.html", *AS_IS),
    *("simple/index.html", "simple/index.json"),
}
FOLDER, REGULAR, LINK, SPECIAL = "a folder", "a file", "a link", "a special file"


def pages(names: Iterable[str], with_provenance: Iterable[str]) -> set[str]:
    """List the pages of a release with these projects and these files that have a provenance."""
    return _FIXED | pages_of_projects(names, with_provenance)


def pages_of_projects(names: Iterable[str], with_provenance: Iterable[str]) -> set[str]:
    """List the pages of these projects."""
    of_projects = {
        f"{folder}/{name}/{page}"
        for name in names
        for folder, page in (("simple", "index.html"), ("simple", "index.json"), ("project", "index.html"))
    }
    return of_projects | {f"provenance/{filename}.json" for filename in with_provenance}


def kind(path: Path | os.DirEntry[str]) -> str:
    """Say what a path is itself, whatever it leads to."""
    if path.is_symlink():
        return LINK
    return FOLDER if path.is_dir() else REGULAR if path.is_file() else SPECIAL


def misplaced(found: Mapping[str, str], expected: Mapping[str, str]) -> Iterator[Problem]:
    """Compare paths and what they are with what they should be."""
    for path, what in found.items():
        if path not in expected:
            yield Problem(Rule.LAYOUT, path, f"is {what} that does not belong here")
        elif what != expected[path]:
            yield Problem(Rule.LAYOUT, path, f"is {what}, and not {expected[path]}")
    for path in expected.keys() - found.keys():
        above = path.rpartition("/")[0]
        if above not in expected or found.get(above) == FOLDER:  # what is missing with its folder is named once
            yield Problem(Rule.LAYOUT, path, f"is missing, {expected[path]}")


def _found(folder: Path | str, expected: Mapping[str, str], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is in a folder; what does not belong there is not looked into."""
    for entry in os.scandir(folder):
        path, what = f"{above}{entry.name}", kind(entry)
        yield path, what
        if what == expected.get(path) == FOLDER:
            yield from _found(entry.path, expected, f"{path}/")


def _expected(folder: Path, pages: Collection[str], *, is_published: bool) -> dict[str, str]:
    sizes = ((page, stat_of(f"{folder}/{page}")) for page in pages)
    twins = {f"{page}.gz" for page, found in sizes if found and has_twin(page, found.st_size)}
    files = {*pages, *twins} | {f"{page}.etag" for page in (*pages, *twins)}
    own = {ID_FILE: REGULAR, LINK_TO_POOL: LINK, manifest.FILE: REGULAR} if is_published else {}
    own |= {manifest.SIGNATURE: REGULAR} if is_published and is_file(folder / manifest.SIGNATURE) else {}
    return dict.fromkeys(files, REGULAR) | dict.fromkeys(manifest.folders(files), FOLDER) | own


def tree_problems(
    folder: Path, pages: Collection[str], *, is_published: bool, sealed: Collection[str] = ()
) -> Iterator[Problem]:
    """Name what is missing and what does not belong: everything that stands in the folder has to be listed.

    Of the pages that are sealed, what stands beside them was looked at before.
    """
    expected = _expected(folder, pages, is_published=is_published)
    yield from misplaced(dict(_found(folder, expected)), expected)
    for page in pages:
        if page not in sealed and is_file(folder / page):
            yield from _validators(folder, page)


def _validators(folder: Path, page: str) -> Iterator[Problem]:
    etag = validator_of(sha256_of(folder / page)).encode()
    for path in (f"{page}.etag", f"{page}.gz.etag"):
        if is_file(folder / path) and (folder / path).read_bytes() != etag:
            yield Problem(Rule.VALIDATORS, path, f"is not the ETag of {page}")
    path = f"{page}.gz"
    if is_file(folder / path) and not _unpacks_to(folder / page, folder / path):
        yield Problem(Rule.VALIDATORS, path, f"does not unpack to {page}")


def _unpacks_to(page: Path, twin: Path) -> bool:
    """Compare piece by piece: one byte more than the page has is enough to tell."""
    try:
        with gzip.open(twin) as packed:
            return all(packed.read(len(data)) == data for data in pieces(page)) and not packed.read(1)
    except (OSError, EOFError, zlib.error):
        return False


def release_problems(folder: Path, release: str) -> Iterator[Problem]:
    """Compare what a release says of itself with its id; its own file and link are looked at where they are there."""
    told = folder / ID_FILE
    if is_file(told) and told.read_bytes() != f"{release}\n".encode():
        yield Problem(Rule.RELEASE, ID_FILE, f"does not name the release {release}")
    link = folder / LINK_TO_POOL
    if link.is_symlink() and str(link.readlink()) != POOL:
        yield Problem(Rule.RELEASE, LINK_TO_POOL, f"leads to {link.readlink()}, and not to {POOL}")
    entries = history.read(folder)
    if not entries or entries[0].release != release:
        newest = entries[0].release if entries else "none"
        yield Problem(Rule.RELEASE, history.FILE, f"its newest release is {newest}, and not {release}")
    for page in ("index.html", "changes/index.html"):
        if is_file(folder / page) and release.encode() not in (folder / page).read_bytes():
            yield Problem(Rule.RELEASE, page, f"does not tell the release {release}")
