"""The checkout, the code, $(PYPI_ROOT) -> a digest of each, which tells by itself whether any of it changed.

Of the checkout every byte that decides counts. Of the shared folder, which is far larger, the system's word does:
size, times and inode of folders, which show what came, went or was replaced, and of every file where they are few.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import sys
from argparse import Namespace
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scripts import CODE, manifest
from scripts.digest import sha256_of
from scripts.files import is_folder
from scripts.owner import FILE as OWNER
from scripts.root import Root

# What a run leaves for the next one has names that begin with this, and counts for no change.
LAST_RUN = ".last-run"
# More would take longer to look at than all the rest of a run that has nothing to do.
_EVERY_FILE = 20_000
_OPTIONS = ("keep", "caddy", "signing_key", "allowed_signers")


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:  # joined, those of 200,000 files would take as much memory again
        digest.update(f"{part}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """List a file, or what is below a folder, without what Python, editors and version control keep there."""
    if not path.is_dir():
        return [path]
    found = ((one, one.relative_to(path).parts) for one in path.rglob("*"))
    return sorted(one for one, parts in found if not any(part[0] == "." or part == "__pycache__" for part in parts))


def _packages() -> list[str]:
    """List what is installed for this Python, with versions."""
    folders = [Path(one) for one in sys.path if one]
    return sorted(path.name for folder in folders for path in folder.glob("*.dist-info"))


def _sums(named: Iterable[tuple[str, Path]]) -> list[tuple[str, str | None]]:
    return [(name, sha256_of(path) if path.is_file() else None) for name, path in named]


def code_digest() -> str:
    """Digest of what reads files and writes pages: our own code, Python and its packages."""
    code = [(str(one.relative_to(CODE)), one) for part in ("scripts", "web", "caddy") for one in _files(CODE / part)]
    return _digest(map(repr, (sys.version, sys.platform, os.uname().machine, _packages(), _sums(code))))


def inputs_digest(args: Namespace, paths: Sequence[str]) -> str:
    """Digest of all that decides what is published, the shared folder aside: by content, for each checkout is new."""
    tops = ("packages.yaml", "waivers.yaml", *paths)
    locks = sorted(Path("locks").glob("*/*.txt"))  # as they are found by all who read them
    own = [(str(one), one) for one in (*locks, *(one for top in tops for one in _files(Path(top))))]
    keys = (args.signing_key, args.allowed_signers)
    named = [(str(name), Path(name)) for name in (shutil.which(args.caddy) or "", *keys) if name]
    options = [(name, str(getattr(args, name))) for name in _OPTIONS]
    return _digest(map(repr, (code_digest(), options, _sums([*own, *named]))))


def stats(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the name of each thing in a folder, and what the system says of it."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # from there on, no path has to be followed for each
    try:
        with os.scandir(place) as entries:
            yield from ((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    finally:
        os.close(place)


def looked_into(folder: Path) -> Iterator[str]:
    """Yield the system's word on each thing in a folder, and not on what is below that."""
    return itertools.starmap(word_on, stats(folder))


def word_on(path: str, stat: os.stat_result) -> str:
    """Return what the system says of a file or folder, as one text."""
    # Whatever changes the mode or the owner changes st_ctime too, and nobody can set that.
    return f"{path}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _below(folder: Path) -> Iterator[str]:
    """Yield the system's word on everything below a folder."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield word_on(entry.path, entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _folders(root: Root, live: Path) -> Iterator[str]:
    """Yield what shows that something came, went or was replaced, in a number that grows with the projects."""
    top = ((path.name, is_folder(path)) for path in root.path.iterdir())
    names = ((name, is_one) for name, is_one in top if is_one or not name.startswith((OWNER, LAST_RUN)))
    waiting = (path.name for path in root.incoming.iterdir() if path != root.scratch)
    yield repr((sorted(names), sorted(waiting), root.web.readlink()))
    yield from (word_on(path.name, path.lstat()) for path in (root.packages, root.retired))
    pages = filter(is_folder, (live / name for name in ("simple", "project", "changes")))
    for folder in (root.bin, root.releases, live, *pages):
        yield str(folder)
        yield "\n".join(sorted(looked_into(folder)))  # there may be 10,000


def every_file(root: Root, live: Path) -> list[str]:
    """List every file, or nothing where they are many."""
    everything = (one for folder in (root.packages, root.retired, live) for one in _below(folder))
    found = list(itertools.islice(everything, _EVERY_FILE + 1))
    return sorted(found) if len(found) <= _EVERY_FILE else []


def shared_digest(root: Root, live: Path, *, is_whole: bool) -> str:
    """Digest of the system's word on the shared folder; is_whole: on every file of it."""
    return _digest([*_folders(root, live), *(every_file(root, live) if is_whole else [])])


class PoolWords:
    """The system's word on the files of the pool, in any order; of 200,000 files all of it would take 40 MB.

    Of each file 64 bits stay: whoever changes one cannot choose its st_ctime, and so not try one after the other.
    """

    def __init__(self) -> None:
        self._digests = array("Q")

    def add(self, name: str, stat: os.stat_result) -> None:
        """Take in the word on a file."""
        word = word_on(name, stat).encode("utf-8", "surrogateescape")
        self._digests.append(int.from_bytes(hashlib.blake2b(word, digest_size=8).digest()))

    def digest(self, live: Path) -> str:
        """Digest of all, and of the word on the live release's manifest, which says what each file is."""
        place = live / manifest.FILE
        self.add(place.name, place.lstat())
        return hashlib.sha256(array("Q", sorted(self._digests))).hexdigest()


def pool_digest(live: Path, packages: Path) -> str:
    """Digest of the system's word on the pool as it is now."""
    words = PoolWords()
    for name, stat in stats(packages):
        words.add(name, stat)
    return words.digest(live)
