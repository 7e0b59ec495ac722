"""$(PYPI_ROOT) -> which release its readers see, and whether that one is whole: told from the files alone."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_ID = re.compile(r"20\d{6}T\d{6}Z-[0-9a-f]{12}")
# The forms in which a release tells a time.
_TIME = re.compile(rb"20\d{6}T\d{6}Z|20\d\d-\d\d-\d\d(T\d\d:\d\d:\d\dZ| \d\d:\d\d)")
_PARTS = {
    *(".generation", ".last-run", ".last-run.files", ".last-run.pages", ".pypi-index"),
    *("bin", "incoming", "packages", "releases", "retired", "web"),
}
# A manifest names each file with its sha256; the bytes of both are another run's other ones.
_MANIFEST, _SIGNATURE = "manifest.jsonl", "manifest.jsonl.sig"

Files = Mapping[str, bytes]


class State(NamedTuple):
    """What the shared folder may show: the pages of a release, without its own time, and the files that they name."""

    pages: Files
    pool: Files


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, not following links; a link is what it says."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return {
        path.relative_to(folder).as_posix(): f"-> {path.readlink()}".encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in paths
    }


def live(root: Path) -> Path | None:
    """Return the release that readers see; None where there is none yet."""
    web = root / "web"
    return root / web.readlink() if web.is_symlink() else None


def pages_of(release: Path) -> Files:
    """Return a release's pages as every run writes them; raises AssertionError where one is not whole in itself."""
    found = files_of(release)
    for name in found:
        if name.endswith(".etag"):
            digest = hashlib.sha256(found[name.removesuffix(".etag")]).hexdigest()[:32]
            assert found[name] == f'W/"{digest}"'.encode(), f"{release / name} is not the validator of its page"
    assert found["release.txt"] == f"{release.name}\n".encode(), f"{release} tells another release"
    if _MANIFEST in found:
        _check_manifest(release, found[_MANIFEST])
    return {name: _timeless(release, name, data) for name, data in found.items()}


def _check_manifest(release: Path, manifest: bytes) -> None:
    for line in map(json.loads, manifest.splitlines()):
        # A release that is no longer live need not have its files in the pool.
        if "path" in line and not line["path"].startswith("packages/"):
            path = release / line["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == line["sha256"], f"{path} is not in its manifest"


def _timeless(release: Path, name: str, data: bytes) -> bytes:
    """Return a page with its own release under one name, and without any time but those that the upstream tells."""
    if name.endswith(".etag") or name in (_MANIFEST, _SIGNATURE):
        return b""
    data = gzip.decompress(data) if name.endswith(".gz") else data
    return _TIME.sub(b"TIME", data.replace(release.name.encode(), b"THIS"))


def pool_of(release: Path) -> Files:
    """Return the files that a release's pages name; raises AssertionError for one that is not there or not right."""
    found = {}
    for record in map(json.loads, (release / "files.jsonl").read_text().splitlines()):
        for name, key in ((record["filename"], "hash"), (f"{record['filename']}.metadata", "core_metadata")):
            if expected := record.get(key):
                path = release / "packages" / name
                found[name] = path.read_bytes() if path.is_file() else b""
                digest = hashlib.sha256(found[name]).hexdigest()
                assert f"sha256={digest}" == expected, f"{path} is not what its page promises"
    return found


def state_of(root: Path) -> State | None:
    """Return what readers see now; raises AssertionError where that is not whole."""
    release = live(root)
    return State(pages_of(release), pool_of(release)) if release else None


def seen(root: Path, old: State | None, new: State) -> str:
    """Say which of two releases readers see; raises AssertionError where it is neither, or not whole."""
    now = state_of(root)
    if now == new:
        return "new" if new != old else "same"
    assert now == old, f"{root / 'web'} shows neither the old release nor the new one: {_difference(now, new)}"
    return "old"


def _difference(now: State | None, new: State) -> str:
    if now is None:
        return "nothing at all"
    names = {
        name for one, other in zip(now, new, strict=True) for name in {*one, *other} if one.get(name) != other.get(name)
    }
    return ", ".join(sorted(names))


def left(root: Path, releases: list[Files]) -> dict[str, bytes]:
    """Return the parts beside the live release, which a run must leave alike; raises AssertionError for debris.

    releases are the pages that a folder in `releases/` may hold: whole ones.
    """
    assert {path.name for path in root.iterdir()} == _PARTS, f"{root}: {sorted(path.name for path in root.iterdir())}"
    for release in (root / "releases").iterdir():
        assert _ID.fullmatch(release.name), f"{release} is no release"
        assert pages_of(release) in releases, f"{release} is not whole"
    empty = [path.name for path in (root / "releases").rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert empty == [], f"{root / 'releases'} has empty folders: {empty}"
    state = state_of(root)
    assert state
    assert files_of(root / "packages") == state.pool, f"{root / 'packages'} is not exact"
    return {name: data for part in ("bin", "incoming", "retired") for name, data in _part(root, part)}


def _part(root: Path, part: str) -> list[tuple[str, bytes]]:
    return [(f"{part}/{name}", data) for name, data in files_of(root / part).items()]
