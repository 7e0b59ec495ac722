"""A site and its files -> $(PYPI_ROOT)/web: makes a release appear by one rename.

The order is what keeps readers safe: files enter the pool, the release's folder is written and read back, `web` is
renamed onto it, and only then does the pool lose what no lock names. A run that dies anywhere leaves the old release
or the new one, whole, and the next run finishes its work.
"""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from scripts.distribution import Distribution, sha256_of
from scripts.list_files import FILE
from scripts.root import Root, sync_folder, write_synced

ID_FILE = "release.txt"
_ID_TIME = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")
# Somebody may still be reading what stopped being live; NFS v3 answers a reader of a deleted file with ESTALE.
GRACE = timedelta(days=1)


class Published(NamedTuple):
    """What a run did: the live release, whether it is new, and how many files came and went."""

    release: str
    is_new: bool
    added: int
    retired: int


def publish(root: Root, site: Path, files: Sequence[Distribution], paths: Mapping[str, Path], keep: int) -> Published:
    """Make site the live release. paths says where each file is now, by sha256; keep is the number of releases kept.

    Raises OSError where the shared folder cannot be written; what was live then still is.
    """
    added = sum(_add(root, one, paths[one.sha256]) for one in files)
    sync_folder(root.packages)
    live = root.live
    release = live if live and _same(site, live) else _write_release(root, site, live)
    if release != live:
        _check_pool(root, files)
        _switch(root, release)
    retired = _retire(root, files)
    _prune(root, keep)
    return Published(release.name, release != live, added, retired)


def _add(root: Root, one: Distribution, path: Path) -> bool:
    """Put one file and its sidecar into the pool; returns whether the file is new there."""
    place = root.packages / one.filename
    if one.metadata is not None:
        _add_sidecar(root, place.with_name(f"{place.name}.metadata"), one.metadata)
    if path == place:
        return False
    _make_way(root, place)
    path.replace(place)
    path.with_name(f"{path.name}.json").unlink(missing_ok=True)
    return True


def _add_sidecar(root: Root, place: Path, data: bytes) -> None:
    if place.is_file() and not place.is_symlink() and place.read_bytes() == data:
        return
    _make_way(root, place)
    write_synced(place, data)


def _make_way(root: Root, place: Path) -> None:
    """Move what stands in the way, since it is not what the lock approves."""
    if _is_taken(place):
        place.rename(_beside(root.retired / place.name))


def _move_to_retired(root: Root, path: Path) -> None:
    """Rename, which a reader's open file survives, and note the time: it may go a day later."""
    place = root.retired / path.name
    if _is_taken(place):
        place.rename(_beside(place))
    path.rename(place)
    os.utime(place, follow_symlinks=False)


def _is_taken(place: Path) -> bool:
    return place.is_symlink() or place.exists()


def _beside(place: Path) -> Path:
    """Return a free name that is no longer a distribution's, so that nothing restores it."""
    names = (place.with_name(f"{place.name}.{count}") for count in itertools.count(1))
    return next(name for name in names if not _is_taken(name))


def _pages(folder: Path) -> set[str]:
    """List a release's own files, without those that a release gets only when it is published."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in files} - {"packages", ID_FILE}


def _same(site: Path, live: Path) -> bool:
    names = _pages(site)
    return names == _pages(live) and all(_same_file(site / name, live / name) for name in names)


def _same_file(one: Path, other: Path) -> bool:
    return other.is_file() and not other.is_symlink() and filecmp.cmp(one, other, shallow=False)


def _content_digest(site: Path) -> str:
    digest = hashlib.sha256()
    for name in sorted(_pages(site)):
        digest.update(f"{name}\0{sha256_of(site / name)}\n".encode())
    return digest.hexdigest()[:12]


def _releases(root: Root) -> list[Path]:
    """List the releases, oldest first."""
    return sorted(path for path in root.releases.iterdir() if _ID.fullmatch(path.name))


def _release_id(root: Root, site: Path) -> str:
    """Name a release after its time, in UTC to the second, and its content; a later one always sorts behind."""
    now = datetime.now(UTC)
    if releases := _releases(root):
        now = max(now, _time_of(releases[-1]) + timedelta(seconds=1))
    return f"{now:{_ID_TIME}}-{_content_digest(site)}"


def _write_release(root: Root, site: Path, live: Path | None) -> Path:
    """Write the release's folder under a name that no reader asks for, read it back, and rename it."""
    release = _release_id(root, site)
    temporary = root.releases / f".{release}.new"
    for name in sorted(_pages(site)):
        _write_page(site / name, temporary / name, live / name if live else None)
    (temporary / ID_FILE).write_text(f"{release}\n", encoding="ascii")
    (temporary / "packages").symlink_to("../../packages")
    for folder in (
        temporary,
        *(path for path in temporary.rglob("*") if path.is_dir() and not path.is_symlink()),
    ):
        sync_folder(folder)
    if not _same(site, temporary):
        raise SystemExit(f"{temporary}: reads back other than it was written; check the disk, then run make index")
    return temporary.rename(root.releases / release)


def _write_page(source: Path, place: Path, previous: Path | None) -> None:
    """Link the previous release's page where it is the same, which also keeps its time; else write it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if previous and _same_file(source, previous):
        try:
            place.hardlink_to(previous)
        except OSError:  # the file system has no hard links, or too many of this one
            shutil.copy2(previous, place)
        else:
            return
    else:
        shutil.copyfile(source, place)
    with place.open("rb") as file:
        os.fsync(file.fileno())


def _check_pool(root: Root, files: Sequence[Distribution]) -> None:
    """Read back every file that the new pages promise."""
    wrong = [one.filename for one in files if sha256_of(root.packages / one.filename) != one.sha256]
    if wrong:
        raise SystemExit(f"{root.packages}: {', '.join(wrong)}: reads back other than approved; run make index again")


def _switch(root: Root, release: Path) -> None:
    """Point `web` at the release: a link under another name, renamed over the old one (works on NFS)."""
    sync_folder(root.releases)
    link = root.path / ".web.new"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases") / release.name)
    link.rename(root.web)
    sync_folder(root.path)


def _retire(root: Root, files: Sequence[Distribution]) -> int:
    """Move whatever the live pages do not list out of the pool, whoever put it there; returns how many files."""
    listed = {one.filename for one in files} | {f"{one.filename}.metadata" for one in files if one.metadata is not None}
    strays = [path for path in sorted(root.packages.iterdir()) if path.name not in listed]
    for path in strays:
        _move_to_retired(root, path)
    return len(strays)


def _prune(root: Root, keep: int) -> None:
    """Delete releases beyond keep once a day has passed since they were live, and the files that only they needed.

    What a killed run left of a release, and downloads that no lock names any more, were never seen by a reader.
    """
    releases = _releases(root)
    for release, successor in itertools.pairwise(releases):
        if release not in releases[-keep:] and release != root.live and _is_past(_time_of(successor)):
            shutil.rmtree(release)
    needed = {name for release in _releases(root) for name in _listed(release)}
    for path in sorted(root.retired.iterdir()):
        retired_at = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        if path.name.removesuffix(".metadata") not in needed and _is_past(retired_at):
            _delete(path)
    for path in (*root.releases.glob(".*.new"), *root.incoming.glob("[!.]*")):
        _delete(path)


def _time_of(release: Path) -> datetime:
    return datetime.strptime(release.name.partition("-")[0], _ID_TIME).replace(tzinfo=UTC)


def _is_past(moment: datetime) -> bool:
    return datetime.now(UTC) - moment > GRACE


def _listed(release: Path) -> set[str]:
    return {json.loads(line)["filename"] for line in (release / FILE).read_text(encoding="ascii").splitlines()}


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
