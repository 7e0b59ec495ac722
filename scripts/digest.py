"""A file -> its sha256, which is its name everywhere here."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

# What was hashed before: inode -> what the system said of the file then, and its sha256.
_hashed: dict[int, tuple[int, str]] = {}


class Word(NamedTuple):
    """What the system says of a file: its inode, and all else that shows a change. Forked processes say the same."""

    inode: int
    identity: int


def word_of(stat: os.stat_result) -> Word:
    """Return what to remember a file by."""
    # Python salts the hash of a text, and of a tuple not: who may set st_mtime could find one for the hash of another.
    return Word(stat.st_ino, hash(f"{stat.st_dev} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"))


def remember(word: Word, sha256: str) -> None:
    """Take a file's sha256 as known, for as long as the system says the same of the file: nobody can set st_ctime."""
    _hashed[word.inode] = word.identity, sha256


def forget() -> None:
    """Hash everything again."""
    _hashed.clear()


def sha256_of(path: Path | str, stat: os.stat_result | None = None) -> str:
    """Return a file's sha256 in hex; stat is what the system says of it, where that is known."""
    if _hashed:
        stat = stat or Path(path).stat()
        identity, sha256 = _hashed.get(stat.st_ino, (0, ""))
        if sha256 and word_of(stat).identity == identity:
            return sha256
    with Path(path).open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
