"""A file -> its sha256, hashed once for as long as the system says the same of the file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

_PIECE = 2**16
# What was hashed before: inode -> what the system said of the file then, and its sha256.
_hashed: dict[int, tuple[int, str]] = {}


class Stamp(NamedTuple):
    """What the system says of a file: its inode, and a number for all else that a change would show in."""

    inode: int
    state: int


def stamp_of(stat: os.stat_result) -> Stamp:
    """Return what to remember a file by."""
    # Python salts the hash of a text, but not that of a tuple of numbers, which who sets st_mtime could have collide.
    return Stamp(stat.st_ino, hash(f"{stat.st_dev} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"))


def remember(stamp: Stamp, sha256: str) -> None:
    """Take a file's sha256 as known, for as long as the system says the same of the file: nobody can set st_ctime."""
    _hashed[stamp.inode] = stamp.state, sha256


def remembered(stamp: Stamp) -> str:
    """Return a file's sha256 in hex if it is known, else nothing."""
    state, sha256 = _hashed.get(stamp.inode, (0, ""))
    return sha256 if state == stamp.state else ""


def forget() -> None:
    """Hash everything again."""
    _hashed.clear()


def sha256_of(path: Path | str, stat: os.stat_result | None = None) -> str:
    """Return a file's sha256 in hex; stat is what the system says of it, where that is known."""
    if _hashed and (sha256 := remembered(stamp_of(stat or Path(path).stat()))):
        return sha256
    digest, place = hashlib.sha256(), os.open(path, os.O_RDONLY)
    try:  # of small files, which most are, Python's own ways of reading take five times as long
        while data := os.read(place, _PIECE):
            digest.update(data)
    finally:
        os.close(place)
    return digest.hexdigest()
