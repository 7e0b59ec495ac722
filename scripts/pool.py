"""A release's files -> $(PYPI_ROOT)/packages/: what enters the pool and leaves it, and what older releases need.

A wheel stands beside its sidecar, `<wheel>.metadata`, which holds METADATA's exact bytes (PEP 658).

Nothing that somebody may be reading is deleted here: what leaves is renamed to `retired/`, which an open file survives.
"""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scripts.durable import sync_all
from scripts.files import is_file, is_silly, write_whole
from scripts.fingerprint import PoolWords
from scripts.manifest import PACKAGES, Fact, Manifest, is_right, listed, stat_if_right
from scripts.root import Root

_MOST_BYTES = 200
# Of each name of the pool: the file that is to stand there, or what returns its bytes.
Sources = Mapping[str, Path | Callable[[], bytes]]


def fill(
    root: Root, made: Manifest, sources: Sources, gave_way: list[tuple[Path, Path]], words: PoolWords
) -> list[str]:
    """Put into the pool what it does not have of a release's files; returns their paths, for `check` to read them back.

    What had to make way is added to gave_way: where it stood, and where it is now. Of what is right, the system's word
    from before it was read is added to words.
    """
    absent = _wrong(root, made, (path for path in made.files if path.startswith(PACKAGES)), words)

    def add(path: str) -> str:
        _add(root, root.path / path, sources[path.removeprefix(PACKAGES)], gave_way)
        return f"{root.path}/{path}"

    # Sidecars come first: they are read from wheels that are still where they were.
    sync_all(map(add, filter(is_sidecar, absent)))
    # A file that was fetched is on the disk since then.
    for path in itertools.filterfalse(is_sidecar, absent):
        add(path)
    return absent


def _wrong(root: Root, made: Manifest, paths: Iterable[str], words: PoolWords) -> list[str]:
    """List what is not what a release's manifest says; paths are those of the manifest, which take no memory."""
    wrong = []
    for path in paths:
        if stat := stat_if_right(f"{root.path}/{path}", made.files[path]):
            words.add(path.removeprefix(PACKAGES), stat)
        else:
            wrong.append(path)
    return wrong


def is_sidecar(name: str) -> bool:
    """Whether a file of the pool holds the metadata of another."""
    return name.endswith(".metadata")


def _add(root: Root, place: Path, source: Path | Callable[[], bytes], gave_way: list[tuple[Path, Path]]) -> None:
    if source == place:  # it was right a moment ago
        return
    if moved := make_way(root, place):
        gave_way.append((place, moved))
    if callable(source):
        # A half-written one, which a machine that fails now may leave, is found by the next run or `check`.
        write_whole(place, source())
    else:
        source.replace(place)


def make_way(root: Root, place: Path) -> Path | None:
    """Move what stands in the way of a file, since it is not what the lock approves; returns where it is then."""
    if not os.path.lexists(place):
        return None
    moved = _beside(root.retired / place.name)
    _move_to_retired(place, moved)
    return moved


def put_back(root: Root, gave_way: Iterable[tuple[Path, Path]]) -> None:
    """Undo what a run did that ended before its switch: pages that are live still may name what made way."""
    for place, moved in gave_way:
        with suppress(OSError):
            make_way(root, place)
            moved.rename(place)


def keep_a_day(root: Root, place: Path) -> None:
    """Keep what is about to be replaced under a second name, where the file system can: somebody may be running it."""
    if is_file(place):
        with suppress(OSError):
            old = _beside(root.retired / place.name)
            old.hardlink_to(place)
            os.utime(old)


def _move_to_retired(path: Path, place: Path) -> None:
    """Rename, which a reader's open file survives; the time says from when on it may go a day later."""
    with suppress(PermissionError):  # another user's has the time that it has: see `_is_past` in release.py
        os.utime(path, follow_symlinks=False)
    path.rename(place)


def _cut(name: str) -> str:
    """Return as much of a name as leaves room for a number behind it."""
    return os.fsdecode(os.fsencode(name)[:_MOST_BYTES])


def _beside(place: Path) -> Path:
    """Return a free name that no distribution has; a stray's own may be of full length."""
    names = (place.with_name(f"{_cut(place.name)}.{count}") for count in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def retire(root: Root, manifest: Manifest) -> int:
    """Move whatever the live release does not have out of the pool, whoever put it there; returns how many.

    Sidecars are not counted. What a kept release has keeps its name, to be restored by; no stray takes that name.
    Raises OSError where something cannot be moved, once all else is.
    """
    listed = manifest.pool
    others = sorted(entry.name for entry in os.scandir(root.packages) if entry.name not in listed)
    strays = [path for path in map(root.packages.joinpath, others) if not is_silly(path)]
    kept, names = needed(root, strays)
    failed: list[OSError] = []
    for path in strays:
        place = root.retired / path.name
        try:
            if path in kept:
                make_way(root, place)
            elif path.name in names or os.path.lexists(place):
                place = _beside(place)
            _move_to_retired(path, place)
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return sum(path.suffix != ".metadata" for path in strays)


def _names(path: Path) -> set[str]:
    """Return under which names, cut, a release may have what is at a path: what gave way to others has a number."""
    stem, _, number = path.name.rpartition(".")
    return {_cut(path.name), stem} if number.isdigit() else {_cut(path.name)}


def _listed(release: Path, paths: Iterable[Path]) -> Iterator[tuple[str, Fact]]:
    """Yield what a release has in the pool under the names of some paths."""
    asked = {name for path in paths for name in _names(path)}

    def is_asked(path: str) -> bool:
        return path.startswith(PACKAGES) and _cut(path.removeprefix(PACKAGES)) in asked

    return ((path.removeprefix(PACKAGES), fact) for path, fact in listed(release, is_asked))


def needed(root: Root, paths: Iterable[Path]) -> tuple[set[Path], set[str]]:
    """Return which of some files a kept release has in the pool, and the names like theirs that such releases have.

    Once a release has a file, older ones, which may be many, are not asked for it.
    """
    kept, told, left = set[Path](), set[tuple[str, Fact]](), list(paths)
    for release in reversed(root.all_releases):
        if not left:
            break
        facts: dict[str, list[Fact]] = {}
        for name, fact in set(_listed(release, left)) - told:  # with the others, all were compared already
            told.add((name, fact))
            facts.setdefault(_cut(name), []).append(fact)
        kept.update(path for path in left if _is_one_of(path, facts))
        left = [path for path in left if path not in kept]
    return kept, {name for name, _ in told}


def _is_one_of(path: Path, facts: Mapping[str, Sequence[Fact]]) -> bool:
    return any(is_right(path, fact) for name in _names(path) for fact in facts.get(name, ()))


def places_of(root: Root, name: str) -> Iterator[Path]:
    """Yield where a file of the pool may be: what gave way to another of its name has a number behind its name."""
    yield from (root.packages / name, root.retired / name)
    numbered = sorted(root.retired.glob(f"{glob.escape(_cut(name))}.*"))
    yield from (path for path in numbered if path.suffix[1:].isdigit())


def find(root: Root, name: str, fact: Fact) -> Path | None:
    """Find a file of a release in the pool or among what left it, by what it holds."""
    return next((path for path in places_of(root, name) if is_right(path, fact)), None)


def check(root: Root, made: Manifest, paths: Iterable[str], words: PoolWords) -> None:
    """Read back what was put into the pool; what is other than the new pages promise goes, since it has a URL.

    Of what is right, the system's word is added to words.
    """
    wrong = _wrong(root, made, paths, words)
    for path in wrong:
        make_way(root, root.path / path)
    if wrong:
        names = ", ".join(path.removeprefix(PACKAGES) for path in wrong)
        raise SystemExit(f"{root.packages}: {names}: reads back other than approved; run make index again")
