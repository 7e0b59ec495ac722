"""Approved files -> $(PYPI_ROOT)/packages/: what enters the pool, what leaves it, and what older releases still need.

A wheel stands beside its sidecar, `<wheel>.metadata`, which holds METADATA's exact bytes (PEP 658).

Nothing that somebody may be reading is deleted here: what leaves is renamed to `retired/`, which an open file survives.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from scripts.distribution import Distribution, sha256_of
from scripts.list_files import records
from scripts.root import Root, is_file, write_synced


def add(root: Root, one: Distribution, path: Path) -> bool:
    """Put one file and its sidecar into the pool; returns whether the file is new there."""
    place = root.packages / one.filename
    if one.metadata is not None:
        _add_sidecar(root, place.with_name(f"{place.name}.metadata"), one.metadata)
    if path == place:
        return False
    make_way(root, place)
    path.replace(place)
    return True


def _add_sidecar(root: Root, place: Path, data: bytes) -> None:
    if is_file(place) and place.read_bytes() == data:
        return
    make_way(root, place)
    write_synced(place, data)


def make_way(root: Root, place: Path) -> None:
    """Move what stands in the way of a file, since it is not what the lock approves."""
    if _is_taken(place):
        _move_to_retired(place, _beside(root.retired / place.name))


def _move_to_retired(path: Path, place: Path) -> None:
    """Rename, which a reader's open file survives; the time says from when on it may go a day later."""
    os.utime(path, follow_symlinks=False)
    path.rename(place)


def _is_taken(place: Path) -> bool:
    return place.is_symlink() or place.exists()


def _beside(place: Path) -> Path:
    """Return a free name that no distribution has, so that nothing restores it; a stray's own may be of full length."""
    stem = os.fsdecode(os.fsencode(place.name)[:200])
    names = (place.with_name(f"{stem}.{count}") for count in itertools.count(1))
    return next(name for name in names if not _is_taken(name))


def retire(root: Root, files: Sequence[Distribution]) -> int:
    """Move whatever the live pages do not list out of the pool, whoever put it there; returns how many, sidecars aside.

    What a kept release approved keeps its name, to be restored by; no stray takes that name.
    """
    listed = {one.filename for one in files} | {f"{one.filename}.metadata" for one in files if one.metadata is not None}
    strays = [path for path in sorted(root.packages.iterdir()) if path.name not in listed]
    approved = approved_names(root) if strays else {}
    for path in strays:
        place = root.retired / path.name
        if is_file(path) and sha256_of(path) in approved.get(path.name, ()):
            make_way(root, place)
        elif path.name in approved or _is_taken(place):
            place = _beside(place)
        _move_to_retired(path, place)
    return sum(path.suffix != ".metadata" for path in strays)


def approved_names(root: Root) -> dict[str, set[str]]:
    """Return name -> sha256 of the files and sidecars that the kept releases name; a name may have changed its file."""
    approved: dict[str, set[str]] = {}
    for record in itertools.chain.from_iterable(map(records, root.all_releases)):
        name = str(record.get("filename"))
        for ending, key in (("", "hash"), (".metadata", "core_metadata")):
            approved.setdefault(f"{name}{ending}", set()).add(str(record.get(key)).removeprefix("sha256="))
    return approved


def check(root: Root, files: Sequence[Distribution]) -> None:
    """Read back every file that the new pages promise, and its sidecar."""
    wrong = [one.filename for one in files if not _is_right(root.packages / one.filename, one)]
    if wrong:
        raise SystemExit(f"{root.packages}: {', '.join(wrong)}: reads back other than approved; run make index again")


def _is_right(path: Path, one: Distribution) -> bool:
    sidecar = path.with_name(f"{path.name}.metadata")
    return sha256_of(path) == one.sha256 and (one.metadata is None or sidecar.read_bytes() == one.metadata)
