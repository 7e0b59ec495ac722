"""The checkout, $(PYPI_ROOT) -> whether both are as the last run left them, and what it said: then nothing is to do.

They are known by their digests (scripts/fingerprint.py). A record is good for one day (UTC), since waivers expire and
files become due, and so that all is read again once a day.

Beside it a run leaves what it learned of files (scripts/learned.py) and what each project's pages were made of
(scripts/before.py), for a run that has something to do. The record vouches for both, as long as the pool is as it was
and the code the same; where releases are signed, it has to be signed too.

Needs few imports: to find that nothing is to do takes less time than to import what would do it.
"""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from scripts import fingerprint, manifest
from scripts.digest import forget, remember, stamp_of
from scripts.files import is_file, is_folder, read_json, remove, write_synced
from scripts.fingerprint import PoolWords
from scripts.root import Root
from scripts.signature import is_signed, sign

FILE = fingerprint.LAST_RUN
PAGES, FILES, _SIGNATURE = (f"{FILE}.{name}" for name in ("pages", "files", "sig"))
LEFT = (FILE, PAGES, FILES, _SIGNATURE)


class Record(NamedTuple):
    """What a run leaves to the next one.

    paths are the requirement files and the folder of in-house wheels; due is when something old may go, by the file
    server's time; holds says how much is live, said are the run's other lines. inputs and shared are digests of the
    checkout and of the shared folder, is_whole whether the latter is of every file, pool the one of the pool alone, as
    it was when its files were read, and code the one of what reads and writes. beside has the sha256 of what else the
    run left, by name.
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


def _remember_pool(root: Root) -> bool:
    """Take the pool's files for what the live release says; returns whether the record vouches for that."""
    record, live = read(root.path), root.live
    if record is None or live is None or record.day != today():
        return False
    pool, words = manifest.read(live).pool, PoolWords()
    for name, stat in fingerprint.stats(root.packages):
        if fact := pool.get(name):
            remember(stamp_of(stat), fact.sha256)
        words.add(name, stat)
    return record.pool == words.digest(live)


def _beside(root: Root, key: str) -> dict[str, bytes]:
    """Read what the last run left, if code and key are the same: whoever can write here could have written it."""
    data = (root.path / FILE).read_bytes()
    record = read(root.path)
    is_ours = not key or is_signed(data, root.path / _SIGNATURE, key)
    if record is None or record.code != fingerprint.code_digest() or not is_ours:
        return {}
    names = [name for name in (PAGES, FILES) if name in record.beside and is_file(root.path / name)]
    found = {name: (root.path / name).read_bytes() for name in names}
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
    is_whole = bool(fingerprint.every_file(root, live))
    if is_whole and record.pool != fingerprint.pool_digest(live, root.packages):
        return record  # it changed since it was read, and the next run is to see that
    return record._replace(is_whole=is_whole, shared=fingerprint.shared_digest(root, live, is_whole=is_whole))


def _digested(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def keep(root: Root, record: Record, beside: Mapping[str, Iterable[bytes]], key: str) -> None:
    """Leave a record to the next run, of the shared folder as it is; where it cannot be written, that run works.

    beside is what else that run can use, by name, in pieces; key is what releases are signed with.
    """
    try:
        for place in filter(is_folder, (root.path / name for name in LEFT)):
            remove(place)  # or no record could ever be left
        digests = {name: hashlib.sha256() for name in beside}
        for name, pieces in beside.items():
            write_synced(root.path / name, _digested(pieces, digests[name]))
        sums = {name: digest.hexdigest() for name, digest in digests.items()}
        told = _completed(root, record)._replace(code=fingerprint.code_digest(), beside=sums)
        data = json.dumps(told._asdict()).encode()
        if key:
            write_synced(root.path / _SIGNATURE, sign(data, key))
        write_synced(root.path / FILE, data)
    except (OSError, SystemExit):  # what was published is signed, whatever became of the key since
        with suppress(OSError):
            remove(root.path / f".{FILE}.new")


def read(path: Path) -> Record | None:
    """Read the record that a run left in a shared folder; None where there is none, or nobody can tell."""
    try:
        record = Record(**read_json(path / FILE))
        return record if record and isinstance(record.said, list) and isinstance(record.beside, dict) else None
    except (OSError, ValueError, TypeError):
        return None


def still_holds(root: Root, args: Namespace, record: Record) -> bool:
    """Whether a run that did all its work now would change nothing, and say the same."""
    try:
        live = root.live
        if live is None or live.name != record.release or record.day != today() or root.now() >= record.due:
            return False
        with ThreadPoolExecutor(1) as pool:  # hashing leaves Python to others meanwhile
            inputs = pool.submit(fingerprint.inputs_digest, args, record.paths)
            is_same = record.shared == fingerprint.shared_digest(root, live, is_whole=record.is_whole)
        return is_same and record.inputs == inputs.result()
    except (OSError, ValueError, TypeError):
        return False
