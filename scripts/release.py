"""A release's pages and files -> $(PYPI_ROOT)/web: makes them live by one rename.

The order is what keeps readers safe: files enter the pool, the release's folder is written and read back, `web` is
renamed onto it, and only then does the pool lose what the release does not have. A run that dies anywhere leaves the
old release or the new one, whole, and the next run finishes its work.

Needs nothing but Python: releases are also made live on the other side of an air gap.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from scripts import manifest, pool
from scripts.durable import sync, sync_all
from scripts.files import is_file, is_folder, is_same, is_silly, remove, write_synced
from scripts.fingerprint import PoolWords
from scripts.manifest import ID_FILE, LINK, OWN, Fact, Manifest, is_right
from scripts.pool import Sources
from scripts.root import Root, release_time

CHANGES = "changes.json"
# From a release's folder. A page, below simple/<project>/ in `web`, reads ../../packages/<file>.
POOL = "../../packages"
# The highest generation that was ever live here; releases come and go.
GENERATION = ".generation"
# Somebody may still be reading what stopped being live; NFS v3 answers a reader of a deleted file with ESTALE.
GRACE = 24 * 60 * 60.0  # seconds


class Done(NamedTuple):
    """How many distributions came to the pool and left it, and a digest of the system's word on it as it was read."""

    added: int
    retired: int
    pool: str


def _found(folder: Path | str, above: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of all that stands in a folder, and whether it is a folder itself."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_folder := entry.is_dir(follow_symlinks=False):
                yield from _found(entry.path, f"{above}{entry.name}/")
            if is_folder or not (entry.name.startswith(".") and is_silly(Path(entry.path))):
                yield f"{above}{entry.name}", is_folder


def paths(folder: Path) -> set[str]:
    """List what stands in a folder, links and all, by path; folders themselves are not listed."""
    return {path for path, is_a_folder in _found(folder) if not is_a_folder}


def problems(folder: Path, made: Manifest, read: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield path and fact for what in a release's folder is not as its manifest says; what was read is not again."""
    found = dict(_found(folder))
    pages = made.pages
    folders = manifest.folders(pages)
    for path, fact in pages.items():
        if path not in found:
            yield path, "is missing"
        elif path not in read and not is_right(f"{folder}/{path}", fact):
            yield path, f"is not what the manifest of {made.release} lists"
    others = (path for path in found if path not in pages and path not in OWN)
    strays = sorted(path for path in others if not (found[path] and path in folders))
    yield from ((path, f"is not in the manifest of {made.release}") for path in strays)
    told, link = folder / ID_FILE, folder / LINK
    if not is_file(told) or told.read_bytes() != f"{made.release}\n".encode():
        yield ID_FILE, f"does not name the release {made.release}"
    if not link.is_symlink() or str(link.readlink()) != POOL:
        yield LINK, f"does not lead to {POOL}"


def make_live(root: Root, made: Manifest, site: Path, sources: Sources, keep: int) -> Done:
    """Make a release live, whose pages and manifest are in the folder site, which may be the release's own.

    sources says where each file of the pool is now; keep is the number of releases kept. Raises SystemExit or OSError
    where the shared folder cannot be written or reads back wrong; what was live then still is.
    """
    root.refuse_if_taken()
    gave_way, words = list[tuple[Path, Path]](), PoolWords()
    try:
        added = pool.fill(root, made, sources, gave_way, words)
        sync(root.packages)
        release = root.releases / made.release
        if site != release:
            _write(root, made, site)
        pool.check(root, made, added, words)
        as_read = words.digest(release)
        _raise_generation(root, made.generation)
        if not root.web.is_symlink() or root.web.readlink() != _goal(release):
            _switch(root, release)
    except BaseException:
        pool.put_back(root, gave_way)
        raise
    retired = pool.retire(root, made)
    _prune(root, keep)
    return Done(sum(not pool.is_sidecar(path) for path in added), retired, as_read)


def _write(root: Root, made: Manifest, site: Path) -> None:
    """Make the site the release's folder, under a name that no reader asks for, read it back, and rename it."""
    temporary = root.releases / f".{made.release}.new"
    remove(temporary)
    site.rename(temporary)  # it was made below the shared folder
    write_synced(temporary / ID_FILE, f"{made.release}\n".encode())
    (temporary / LINK).symlink_to(POOL)
    own = filter(is_file, (temporary / manifest.FILE, temporary / manifest.SIGNATURE))
    folders = (above for above, _, _ in os.walk(temporary))
    shared = _share(temporary, root.live, made)
    written = (f"{temporary}/{path}" for path in made.pages if path not in shared)
    sync_all(itertools.chain(written, own, folders))
    for path, _ in problems(temporary, made, shared):
        raise SystemExit(f"{temporary / path}: reads back other than it was written; check the disk, then try again")
    temporary.rename(root.releases / made.release)


def _share(folder: Path, live: Path | None, made: Manifest) -> set[str]:
    """Link the live release's pages where they are the same, which also keeps their time; returns these.

    They were read: here, or when the site was linked from them (scripts/before.py).
    """
    try:
        known = manifest.read(live).pages if live else {}
    except ValueError:
        known = {}
    pages = made.pages.items()
    return {path for path, fact in pages if _is_shared(f"{folder}/{path}", f"{live}/{path}", fact, known.get(path))}


def _is_shared(page: str, old: str, fact: Fact, known: Fact | None) -> bool:
    """Make a page one with the live release's if it is the same, and say so; known is what that one's manifest says."""
    try:
        if fact != known or os.path.samestat(os.lstat(page), os.lstat(old)):
            return fact == known
        if not is_right(Path(old), fact):
            return False
        os.link(old, f"{page}.old")
        Path(f"{page}.old").replace(page)
    except OSError:  # it is gone; the file system has no hard links, or too many of this one
        return False
    return True


def _goal(release: Path) -> Path:
    """Return what `web` says: a path that holds wherever the shared folder is mounted."""
    return Path("releases") / release.name


def _switch(root: Root, release: Path) -> None:
    """Point `web` at the release: a link under another name, renamed over the old one (works on NFS)."""
    sync(root.releases)
    if root.live:
        os.utime(root.live)  # from now on nobody comes to it any more: see _prune
    link = root.path / ".web.new"
    remove(link)
    link.symlink_to(_goal(release))
    root.refuse_if_taken()
    if is_folder(root.web):  # somebody's; no rename replaces a folder by a link
        pool.make_way(root, root.web)
    link.rename(root.web)
    sync(root.path)


def _prune(root: Root, keep: int) -> None:
    """Delete releases beyond keep once a day has passed since they were live, and the files that only they needed.

    What a killed run left of a release, and downloads that no lock names any more, were never seen by a reader.
    """
    now = root.now()
    for release in root.all_releases[:-keep]:
        if release != root.live and _is_past(release, now):
            # Half a release must not look like one, if we are killed here.
            release.rename(release.with_name(f".{release.name}.old"))
    old = [path for path in sorted(root.retired.iterdir()) if _is_past(path, now) and not is_silly(path)]
    kept, _ = pool.needed(root, old)
    for path in old:
        # A sidecar is written anew when its file comes back.
        is_back = is_file(path) and is_same(path, root.packages / path.name)
        if is_back or path not in kept:
            remove(path)
    waited = (path for path in root.incoming.iterdir() if path != root.scratch)
    leftovers = root.releases.glob(".2*"), root.bin.glob(".*.new"), waited, root.path.glob(".*.new")
    for path in itertools.chain.from_iterable(leftovers):
        remove(path)


def next_due(root: Root, keep: int) -> float:
    """Return when `_prune` may have something to do again, by the file server's time: within a day."""
    now = root.now()
    waiting = (*root.retired.iterdir(), *(release for release in root.all_releases[:-keep] if release != root.live))
    due = (path.lstat().st_mtime + GRACE for path in waiting)
    return min((moment for moment in due if moment > now), default=now + GRACE)


def _is_past(path: Path, now: float) -> bool:
    """Whether a day has passed since a release stopped being live, or a file left the pool: then it was touched.

    Another user's file, which we cannot touch, has the time of its last rename.
    """
    found = path.lstat()
    return now - (found.st_mtime if found.st_uid == os.geteuid() else found.st_ctime) > GRACE


def is_damaged(release: Path) -> bool:
    """Whether a release is not what its manifest lists, so that nobody can go back to it."""
    try:
        return next(problems(release, manifest.read(release)), None) is not None
    except ValueError:
        return True


def read_right(root: Root, release: Path) -> tuple[Manifest, Mapping[str, Path]]:
    """Read a kept release and find its files; raises ValueError with a line for each thing that is not as it says."""
    made = manifest.read(release)
    wrong = [f"{release / path}: {fact}" for path, fact in problems(release, made)]
    found = {name: pool.find(root, name, fact) for name, fact in made.pool.items()}
    wrong += [f"{root.packages / name}: is gone, and {made.release} needs it" for name in found if not found[name]]
    if wrong:
        raise ValueError("\n".join(sorted(wrong)))
    return made, {name: path for name, path in found.items() if path}


def newest_generation(root: Root) -> int:
    """Return the highest generation that was live here, or as far as the kept releases tell; 0 where there is none."""
    path = root.path / GENERATION
    try:
        highest = int(path.read_text(encoding="ascii")) if is_file(path) and path.stat().st_size < 20 else 0
    except ValueError:
        highest = 0
    return highest or max(map(manifest.generation_of, root.all_releases), default=0)


def _raise_generation(root: Root, generation: int) -> None:
    if generation > newest_generation(root) or not is_file(root.path / GENERATION):
        if is_folder(root.path / GENERATION):  # somebody's
            pool.make_way(root, root.path / GENERATION)
        write_synced(root.path / GENERATION, f"{max(generation, newest_generation(root))}\n".encode())


def content_of(release: str) -> str:
    """Return the digest of a release's content, which is the end of its id."""
    return release.rpartition("-")[2]


def next_moment(root: Root) -> datetime:
    """Return the time of the next release, in UTC to the second; a later release always sorts behind."""
    now = datetime.now(UTC).replace(microsecond=0)
    last = max(map(moment_of, root.all_releases), default=None)
    return max(now, last + timedelta(seconds=1)) if last else now


def moment_of(release: Path) -> datetime:
    """Return when a release was made, as its name says."""
    moment = release_time(release)
    if moment is None:
        raise ValueError(release)
    return moment
