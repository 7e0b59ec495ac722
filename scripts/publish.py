"""What is offered and its site -> $(PYPI_ROOT)/web: makes a release appear by one rename.

The order is what keeps readers safe: a site that breaks a rule ends the run, files enter the pool, the release's folder
is written and read back, `web` is renamed onto it, and only then does the pool lose what no lock names. A run that dies
anywhere leaves the old release or the new one, whole, and the next run finishes its work.
"""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from scripts import conformance, history, pool
from scripts.build import seal
from scripts.conformance_facts import Approved
from scripts.conformance_tree import ID_FILE, POOL
from scripts.distribution import sha256_of
from scripts.facts import time_text
from scripts.history import Entry
from scripts.list_files import records
from scripts.locate import Wanted
from scripts.offer import Offer
from scripts.people import write_release_pages
from scripts.root import RELEASE_TIME, Root, is_file, is_folder, release_time, remove, sync_folder, write_synced
from scripts.terminal import Progress

# Of the pages, those that tell which release they are in.
_TELLING = ("index.html", "changes/index.html", history.FILE)
# Somebody may still be reading what stopped being live; NFS v3 answers a reader of a deleted file with ESTALE.
GRACE = timedelta(days=1)


class Published(NamedTuple):
    """What a run did: the live release, whether it is new, and how many files came and went."""

    release: str
    is_new: bool
    added: int
    retired: int


def publish(
    root: Root, offer: Offer, site: Path, paths: Mapping[str, Path], moment: datetime, keep: int, wanted: Wanted
) -> Published:
    """Make site, as `build` made it, the live release.

    paths says where each file is now, by sha256; moment is the release's time, from `next_moment`; keep is the number
    of releases kept; wanted is what the locks name. Raises SystemExit where the site breaks a rule, OSError where the
    shared folder cannot be written; what was live then still is.
    """
    files = [file.distribution for file in offer.files]
    live = root.live
    content = _content_digest(site)
    release = live if live and _is_still(live, offer, site, content) else None
    is_new = release is None
    name = f"{moment:{RELEASE_TIME}}-{content}"
    if release is None:
        tell(offer, site, [_entry(name, moment, live, site), *(history.read(live) if live else [])])
        _refuse(offer, site, paths, name, wanted)
    added = sum(pool.add(root, one, paths[one.sha256]) for one in files)
    sync_folder(root.packages)
    if release is None:
        release = _write_release(root, site, name, live)
        pool.check(root, files)
        _switch(root, release)
    retired = pool.retire(root, files)
    _prune(root, keep)
    return Published(release.name, is_new, added, retired)


def next_moment(root: Root) -> datetime:
    """Return the time of the next release, in UTC to the second; a later release always sorts behind."""
    now = datetime.now(UTC).replace(microsecond=0)
    last = max(map(_time_of, root.all_releases), default=None)
    return max(now, last + timedelta(seconds=1)) if last else now


def _is_still(live: Path, offer: Offer, site: Path, content: str) -> bool:
    """Whether the live release is, byte for byte, what would be published now."""
    told = history.read(live)
    if not live.name.endswith(f"-{content}") or not told or told[0].release != live.name:
        return False
    tell(offer, site, told)
    return _same(site, live) and _has_own_parts(live, live.name)


def _entry(name: str, moment: datetime, live: Path | None, site: Path) -> Entry:
    changes = history.changes(records(live) if live else [], records(site))
    return Entry(name, time_text(moment), changes)


def tell(offer: Offer, site: Path, entries: Sequence[Entry]) -> None:
    """Write the pages that tell of the release which they are in, whose name is made of all others' content."""
    history.write(entries, site)
    write_release_pages(offer, site, entries)
    seal(site / name for name in _TELLING)


def _refuse(offer: Offer, site: Path, paths: Mapping[str, Path], release: str, wanted: Wanted) -> None:
    """Raise SystemExit where what is to be published breaks a rule; the shared folder is as it was."""
    files = {file.distribution.filename: paths[file.distribution.sha256] for file in offer.files}
    progress = Progress()
    try:
        conformance.refuse(site, Approved(wanted, offer.denied), files, release, progress.show)
    finally:
        progress.clear()


def pages(folder: Path) -> set[str]:
    """List a release's own files, without those that a release gets only when it is published."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in files} - {"packages", ID_FILE}


def _same(site: Path, live: Path) -> bool:
    names = pages(site)
    return names == pages(live) and all(_same_file(site / name, live / name) for name in names)


def _same_file(one: Path, other: Path) -> bool:
    return is_file(other) and filecmp.cmp(one, other, shallow=False)


def _has_own_parts(release: Path, name: str) -> bool:
    """Whether the release has what it gets when it is published: its id, and the link to the pool."""
    told, link = release / ID_FILE, release / "packages"
    is_named = is_file(told) and told.read_bytes() == f"{name}\n".encode()
    return is_named and link.is_symlink() and str(link.readlink()) == POOL


def _content_digest(site: Path) -> str:
    digest = hashlib.sha256()
    for name in sorted(pages(site)):
        digest.update(f"{name}\0{sha256_of(site / name)}\n".encode())
    return digest.hexdigest()[:12]


def _write_release(root: Root, site: Path, release: str, live: Path | None) -> Path:
    """Write the release's folder under a name that no reader asks for, read it back, and rename it."""
    temporary = root.releases / f".{release}.new"
    remove(temporary)
    for name in sorted(pages(site)):
        _write_page(site / name, temporary / name, live / name if live else None)
    write_synced(temporary / ID_FILE, f"{release}\n".encode())
    (temporary / "packages").symlink_to(POOL)
    for folder in (temporary, *filter(is_folder, temporary.rglob("*"))):
        sync_folder(folder)
    if not _same(site, temporary) or not _has_own_parts(temporary, release):
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


def _switch(root: Root, release: Path) -> None:
    """Point `web` at the release: a link under another name, renamed over the old one (works on NFS)."""
    sync_folder(root.releases)
    link = root.path / ".web.new"
    remove(link)
    link.symlink_to(Path("releases") / release.name)
    if is_folder(root.web):  # somebody's; no rename replaces a folder by a link
        pool.make_way(root, root.web)
    link.rename(root.web)
    sync_folder(root.path)


def _prune(root: Root, keep: int) -> None:
    """Delete releases beyond keep once a day has passed since they were live, and the files that only they needed.

    What a killed run left of a release, and downloads that no lock names any more, were never seen by a reader.
    """
    releases = root.all_releases
    for release, successor in itertools.pairwise(releases):
        if release not in releases[-keep:] and release != root.live and _is_past(_time_of(successor)):
            # Half a release must not look like one, if we are killed here.
            release.rename(release.with_name(f".{release.name}.old"))
    approved = pool.approved_names(root)
    for path in sorted(root.retired.iterdir()):
        retired_at = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        # A sidecar is written anew when its file comes back.
        is_back = is_file(path) and _same_file(path, root.packages / path.name)
        if (path.name not in approved or is_back) and _is_past(retired_at):
            remove(path)
    leftovers = root.releases.glob(".2*"), root.bin.glob(".*.new"), root.incoming.iterdir(), [root.path / ".web.new"]
    for path in itertools.chain.from_iterable(leftovers):
        remove(path)


def _time_of(release: Path) -> datetime:
    moment = release_time(release)
    if moment is None:
        raise ValueError(release)
    return moment


def _is_past(moment: datetime) -> bool:
    return datetime.now(UTC) - moment > GRACE
