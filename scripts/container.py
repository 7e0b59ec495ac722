"""Blobs <-> a tar (POSIX ustar) of plain files under short names, and nothing else that a tar may be.

Python's tarfile reads far more than that, at the cost of whoever reads what a stranger wrote: chains of headers, sparse
maps, numbers of any length. What we write needs 512 bytes a header, read here byte by byte.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

_BLOCK, _CHUNK = 512, 2**20
_NAME = re.compile(rb"[A-Za-z0-9.]{1,99}")
_OCTAL = re.compile(rb"[0-7]{11}\0")


class Member(NamedTuple):
    """A file in a tar: its name, and its size in bytes; the content follows."""

    name: str
    size: int


def write(tar: IO[bytes], name: str, content: IO[bytes], size: int, seconds: int) -> str:
    """Append a file; returns the sha256 of what was written. Raises ValueError where content has another size."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, seconds
    tar.write(info.tobuf(tarfile.USTAR_FORMAT))
    digest, written = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        written += len(chunk)
        tar.write(chunk)
    if written != size:
        raise ValueError(f"has {written} bytes, and had {size}")
    tar.write(bytes(-size % _BLOCK))
    return digest.hexdigest()


def end(tar: IO[bytes]) -> None:
    """Write the end of a tar."""
    tar.write(bytes(2 * _BLOCK))


def _checksum(block: bytes) -> bytes:
    return b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:])


def next_member(tar: IO[bytes]) -> Member | None:
    """Read the next header; None at the end. Raises ValueError for whatever we do not write."""
    block = tar.read(_BLOCK)
    if block == bytes(_BLOCK):
        return None
    name, size = block[:100].rstrip(b"\0"), block[124:136]
    is_ours = len(block) == _BLOCK and block[257:265] == b"ustar\x0000" and block[156:157] == b"0"
    if not is_ours or not _NAME.fullmatch(name) or not _OCTAL.fullmatch(size) or block[148:156] != _checksum(block):
        raise ValueError("is no bundle that make bundle wrote, or only a part of one")
    return Member(name.decode(), int(size[:11], 8))


def chunks(tar: IO[bytes], member: Member) -> Iterator[bytes]:
    """Yield a file's content; raises ValueError where the tar ends before."""
    left = member.size
    while left:
        chunk = tar.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError("breaks off")
        left -= len(chunk)
        yield chunk
    tar.read(-member.size % _BLOCK)
