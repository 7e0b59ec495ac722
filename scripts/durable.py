"""Files and folders just written -> on the disk: fsync, many at once.

A disk, or a file server, takes as long for many that come together as for one, since it writes one journal for them.
syncfs(2) would be one call for all, but it also writes what others have on the same disk, on a file system in user
space it does not reach the disk, and it names nothing that could not be written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

_AT_ONCE = 16
_IN_A_GROUP = 4096  # the paths of all would be many, and long


def sync(path: Path | str) -> None:
    """fsync a file, or a folder so that the names in it survive a crash; file systems that cannot are left alone.

    The system tells an error of writing to whoever asks first, also if the file was closed since it was written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _sync_each(paths: Iterator[Path | str]) -> None:
    for path in paths:
        sync(path)


def sync_all(paths: Iterable[Path | str]) -> None:
    """fsync all of them; raises OSError where one cannot be written."""
    todo = iter(paths)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while group := list(islice(todo, _IN_A_GROUP)):
            rest = iter(group)  # the threads take from it in turn
            for done in [pool.submit(_sync_each, rest) for _ in group[:_AT_ONCE]]:
                done.result()
