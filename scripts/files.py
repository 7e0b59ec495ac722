"""Paths -> what is there; files written or removed so that no reader, no NFS and no dying machine sees half of it."""

from __future__ import annotations

import errno
import filecmp
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

# Linux has 24 hexadecimal digits there, BSD and macOS dots between theirs.
_SILLY = re.compile(r"\.nfs[0-9A-Fa-f.]{16,}")
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_PIECE = 2**20
_MOST_JSON = 2**28
_LEFT = {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def stat_of(path: Path | str) -> os.stat_result | None:
    """Return what the system says of a file itself, and not of a link to one; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_file(path: Path | str) -> bool:
    """Whether it is a file itself, and not a link to one."""
    return stat_of(path) is not None


def is_same(one: Path, other: Path) -> bool:
    """Whether other is a file that holds the same bytes."""
    return is_file(other) and filecmp.cmp(one, other, shallow=False)


def read_json(path: Path) -> Any:
    """Read a file that anybody may have put there; raises OSError or ValueError where it is none, or no JSON."""
    found = stat_of(path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    if found.st_size > _MOST_JSON:
        raise ValueError(f"it has {found.st_size} bytes")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def is_silly(path: Path) -> bool:
    """Whether it is what NFS keeps of a file that a program here had open when it was removed; it goes by itself."""
    return bool(_SILLY.fullmatch(path.name)) and (is_file(path) or not os.path.lexists(path))


def _leave(_: object, path: str, error: BaseException) -> None:
    """Go on past what is gone already, and what NFS or somebody who adds to a folder keeps there."""
    is_left = isinstance(error, OSError) and error.errno in _LEFT
    if not is_left and not is_silly(Path(path)):
        if isinstance(error, OSError):
            error.filename = path  # within a folder that is open, the system knows the name alone
        raise error


def _remove_folder(path: Path) -> None:
    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=_leave)
    else:
        shutil.rmtree(path, onerror=lambda function, where, raised: _leave(function, where, raised[1]))


def remove(path: Path) -> None:
    """Remove whatever is at path, or nothing; a link goes, what it leads to stays.

    What cannot be removed yet, on NFS, is left for the next run, with the folders that it is in.
    """
    if is_folder(path):
        _remove_folder(path)
    elif not is_silly(path):
        path.unlink(missing_ok=True)


def pieces(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, which may be more than should be in memory at once."""
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            yield data


def write_whole(
    path: Path, data: bytes | Iterable[bytes], *, executable: bool = False, is_synced: bool = False
) -> None:
    """Write a file under another name, and rename it into place: nobody sees half of it, unless the machine fails."""
    temporary = path.with_name(f".{path.name}.new")
    remove(temporary)
    try:
        with temporary.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        if executable:
            mode = temporary.stat().st_mode
            temporary.chmod(mode | (mode & 0o444) >> 2)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):  # on a full disk, half of a file is in the way of all others
            remove(temporary)
        raise


def write_synced(path: Path, data: bytes | Iterable[bytes], *, executable: bool = False) -> None:
    """Write a file so that nobody sees half of it, even where the machine fails."""
    write_whole(path, data, executable=executable, is_synced=True)
