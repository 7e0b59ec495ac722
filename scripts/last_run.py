"""The checkout, $(PYPI_ROOT) -> whether both are as the last run left them, and what it said: then nothing is to do.

Of the checkout every byte that decides counts. Of the shared folder, which is far larger, the system's word does:
size, times and inode of folders, which show what came, went or was replaced, and of every file where they are few. A
record is good for one day (UTC), since waivers expire and files become due, and so that all is read again once a day.

Beside it a run leaves what it learned of files (scripts/learned.py) and what each project's pages were made of
(scripts/before.py), for a run that has something to do. The record vouches for both, as long as the pool is as it was
and the code the same; where releases are signed, it has to be signed too.

Needs few imports: to find that nothing is to do takes less time than to import what would do it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from scripts import CODE, manifest
from scripts.digest import forget, remember, sha256_of, stamp_of
from scripts.files import is_file, is_folder, remove, write_synced
from scripts.manifest import Fact
from scripts.owner import FILE as OWNER
from scripts.root import Root
from scripts.signature import is_of, sign

FILE = ".last-run"
# What else a run leaves begins with the record's name, so that it counts for no change.
PAGES, FILES, _SIGNATURE = (f"{FILE}.{name}" for name in ("pages", "files", "sig"))
LEFT = (FILE, PAGES, FILES, _SIGNATURE)
# More would take longer to look at than all the rest of such a run.
_EVERY_FILE = 20_000
_OPTIONS = ("keep", "caddy", "signing_key", "allowed_signers")


class Record(NamedTuple):
    """What a run leaves to the next one.

    paths are the requirement files and the folder of in-house wheels; due is when something old may go, by the file
    server's time; holds says how much is live, said are the run's other lines. inputs and shared are digests of the
    checkout and of the shared folder, is_whole whether the latter is of every file, pool the one of the pool alone, and
    code the one of what reads and writes. beside has the sha256 of what else the run left, by name.
    """

    day: str
    paths: Sequence[str]
    inputs: str
    release: str
    holds: str
    said: Sequence[str]
    due: float
    shared: str = ""
    is_whole: bool = False
    pool: str = ""
    code: str = ""
    beside: Mapping[str, str] = MappingProxyType({})


def today() -> str:
    """Return the day in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:  # joined, those of 200,000 files would take as much memory again
        digest.update(f"{part}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """List a file, or the files below a folder; what Python keeps of its own code does not count."""
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if not one.is_dir() and one.parent.name != "__pycache__")


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
    tops = ("packages.yaml", "waivers.yaml", "locks", *paths)
    own = [(str(one), one) for top in tops for one in _files(Path(top))]
    keys = (args.signing_key, args.allowed_signers)
    named = [(str(name), Path(name)) for name in (shutil.which(args.caddy) or "", *keys) if name]
    options = [(name, str(getattr(args, name))) for name in _OPTIONS]
    return _digest(map(repr, (code_digest(), options, _sums([*own, *named]))))


def _stats(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the name of each thing in a folder, and what the system says of it."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # from there on, no path has to be followed for each
    try:
        with os.scandir(place) as entries:
            yield from ((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    finally:
        os.close(place)


def _looked_into(folder: Path) -> Iterator[str]:
    """Yield the system's word on each thing in a folder, and not on what is below that."""
    return itertools.starmap(_told, _stats(folder))


def _told(path: str, stat: os.stat_result) -> str:
    # Whatever changes the mode or the owner changes st_ctime too, and nobody can set that.
    return f"{path}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _below(folder: Path) -> Iterator[str]:
    """Yield the system's word on everything below a folder."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield _told(entry.path, entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _folders(root: Root, live: Path) -> Iterator[str]:
    """Yield what shows that something came, went or was replaced, in a number that grows with the projects."""
    names = (path.name for path in root.path.iterdir() if not path.name.startswith((OWNER, FILE)))
    waiting = (path.name for path in root.incoming.iterdir() if path != root.scratch)
    yield repr((sorted(names), sorted(waiting), root.web.readlink()))
    yield from (_told(path.name, path.lstat()) for path in (root.packages, root.retired))
    pages = filter(is_folder, (live / name for name in ("simple", "project", "changes")))
    for folder in (root.bin, root.releases, live, *pages):
        yield str(folder)
        yield from sorted(_looked_into(folder))


def _every_file(root: Root, live: Path) -> list[str]:
    """List every file, or nothing where they are many."""
    everything = (one for folder in (root.packages, root.retired, live) for one in _below(folder))
    found = list(itertools.islice(everything, _EVERY_FILE + 1))
    return sorted(found) if len(found) <= _EVERY_FILE else []


def _shared_digest(root: Root, live: Path, *, is_whole: bool) -> str:
    return _digest([*_folders(root, live), *(_every_file(root, live) if is_whole else [])])


def _pool_digest(live: Path, files: Iterable[str]) -> str:
    """Digest of the system's word on every file of the pool, and on what says which file is which."""
    told = live / manifest.FILE
    return _digest([_told(told.name, told.lstat()), *sorted(files)])


def _taken_for(pool: Mapping[str, Fact], packages: Path) -> Iterator[str]:
    """Remember each file of the pool as what a manifest lists, and yield the system's word on it."""
    for name, stat in _stats(packages):
        if fact := pool.get(name):
            remember(stamp_of(stat), fact.sha256)
        yield _told(name, stat)


def _remember_pool(root: Root) -> bool:
    """Take the pool's files for what the live release says; returns whether the record vouches for that."""
    record, live = read(root.path), root.live
    if record is None or live is None or record.day != today():
        return False
    return record.pool == _pool_digest(live, _taken_for(manifest.read(live).pool, root.packages))


def _beside(root: Root, key: str) -> dict[str, bytes]:
    """Read what the last run left, if code and key are the same: whoever can write here could have written it."""
    data = (root.path / FILE).read_bytes()
    record, signature = read(root.path), root.path / _SIGNATURE
    is_ours = not key or (is_file(signature) and is_of(key, data, signature.read_bytes()))
    if record is None or record.code != code_digest() or not is_ours:
        return {}
    found = {name: (root.path / name).read_bytes() for name in record.beside if name in {PAGES, FILES}}
    return {name: told for name, told in found.items() if hashlib.sha256(told).hexdigest() == record.beside[name]}


def take(root: Root, key: str) -> dict[str, bytes]:
    """Remove the record, before anything changes; returns what else the last run left, by name.

    If the pool's files are as the record says, they need not be hashed again. On another day they are, and nothing
    is returned: so that what no clock shows is found once a day, too. key is what releases are signed with.
    """
    beside: dict[str, bytes] = {}
    is_known = False
    with suppress(OSError, ValueError):
        is_known = _remember_pool(root)
        beside = _beside(root, key) if is_known else {}
    if not is_known:
        forget()
    remove(root.path / FILE)
    return beside


def _completed(root: Root, record: Record) -> Record:
    live = root.releases / record.release
    is_whole = bool(_every_file(root, live))
    shared = _shared_digest(root, live, is_whole=is_whole)
    return record._replace(is_whole=is_whole, shared=shared, pool=_pool_digest(live, _looked_into(root.packages)))


def _digested(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def keep(root: Root, record: Record, beside: Mapping[str, Iterable[bytes]], key: str) -> None:
    """Leave a record to the next run, of the shared folder as it is; where it cannot be written, that run works.

    beside is what else that run can use, by name, in pieces; key is what releases are signed with.
    """
    try:
        digests = {name: hashlib.sha256() for name in beside}
        for name, pieces in beside.items():
            write_synced(root.path / name, _digested(pieces, digests[name]))
        sums = {name: digest.hexdigest() for name, digest in digests.items()}
        told = _completed(root, record)._replace(code=code_digest(), beside=sums)
        data = json.dumps(told._asdict()).encode()
        if key:
            write_synced(root.path / _SIGNATURE, sign(data, key))
        write_synced(root.path / FILE, data)
    except OSError:
        with suppress(OSError):
            remove(root.path / f".{FILE}.new")


def read(path: Path) -> Record | None:
    """Read the record that a run left in a shared folder; None where there is none, or nobody can tell."""
    try:
        record = Record(**json.loads((path / FILE).read_bytes())) if is_file(path / FILE) else None
        return record if record and isinstance(record.said, list) and isinstance(record.beside, dict) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def still_holds(root: Root, args: Namespace, record: Record) -> bool:
    """Whether a run that did all its work now would change nothing, and say the same."""
    try:
        live = root.live
        if live is None or live.name != record.release or record.day != today() or root.now() >= record.due:
            return False
        with ThreadPoolExecutor(1) as pool:  # hashing leaves Python to others meanwhile
            inputs = pool.submit(inputs_digest, args, record.paths)
            is_same = record.shared == _shared_digest(root, live, is_whole=record.is_whole)
        return is_same and record.inputs == inputs.result()
    except (OSError, ValueError, TypeError):
        return False
