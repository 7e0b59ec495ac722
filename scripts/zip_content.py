"""An entry of a zip file -> its bytes: unpacked a little at a time, and exactly what its size and checksum say."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from scripts.zip_layout import DEFLATED, Entry, UnsoundError, shown

_PIECE = 2**18


def _inflated(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    left = entry.packed
    while not stream.eof:
        data = stream.unconsumed_tail or file.read(min(left, _PIECE))
        left -= 0 if stream.unconsumed_tail else len(data)
        piece = stream.decompress(data, _PIECE)
        if not data and not piece and not stream.eof:
            raise UnsoundError(f"holds {shown(entry.name)}, which ends early")
        yield piece
    if left or stream.unused_data:
        raise UnsoundError(f"holds {shown(entry.name)} with bytes after its end")


def _stored(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    left = entry.size
    while left and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece


def pieces(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield what an entry holds, a little at a time; raises UnsoundError where it is not what size and checksum say."""
    file.seek(entry.data)
    crc = size = 0
    try:
        for piece in _inflated(file, entry) if entry.method == DEFLATED else _stored(file, entry):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > entry.size:
                break
            yield piece
    except zlib.error:
        raise UnsoundError(f"holds {shown(entry.name)}, which does not unpack") from None
    if (crc, size) != (entry.crc, entry.size):
        raise UnsoundError(f"holds {shown(entry.name)}, which does not unpack to the size and checksum that it states")
