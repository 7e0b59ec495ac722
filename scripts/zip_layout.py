"""An open zip file -> its entries: where every reader of zip files, from the front or from the back, finds the same.

After APPNOTE.TXT 6.3.10. Readers differ where an archive contradicts itself: some believe the central directory and
some the local headers, some look for the last end record and some for the first, and few mind what lies between. So
the entries fill the file from its first byte to the central directory, that fills it to the end record, and all that
is said twice is said alike. ZIP64 fields are taken where the classic ones ask for them, and nowhere else.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

STORED, DEFLATED = 0, 8
MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 16 * 2**20
_MAX_NAME_BYTES = 1000  # Windows has 260, macOS 1024

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_NEWEST = 63  # version 6.3 of the zip format, the last that Python reads
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_LIMITS = (_MAX_16, _MAX_16, _MAX_16, _MAX_16, _MAX_32, _MAX_32)

_DESCRIBED, _UTF_8 = 0x8, 0x800
_KNOWN_FLAGS = 0x2 | 0x4 | _DESCRIBED | _UTF_8  # the first two say how hard deflate tried
_EXTRA_64, _EXTRA_NAME = 0x1, 0x7075


class UnsoundError(Exception):
    """What is wrong with an archive: the end of a sentence that begins with the file's name."""


class Entry(NamedTuple):
    """One entry of the central directory; `header` is where its local header begins, `data` where its bytes do."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    attributes: int
    data: int = 0


class _Directory(NamedTuple):
    length: int
    size: int
    start: int


def shown(name: str) -> str:
    """Return an untrusted name for a sentence: with its quotes and escapes, and not longer than a line."""
    return repr(name if len(name) <= 100 else f"{name[:100]}…")


def _read(file: BinaryIO, at: int, form: struct.Struct) -> tuple[bytes, tuple[int, ...]]:
    file.seek(max(at, 0))
    signature, *numbers = form.unpack(file.read(form.size).ljust(form.size, b"\0"))
    return signature, tuple(numbers)


def _end64(file: BinaryIO, end: int) -> tuple[int, ...] | None:
    """Return what a ZIP64 end record says, where a locator stands before the end record."""
    at = end - _LOCATOR64.size
    signature, locator = _read(file, at, _LOCATOR64)
    if at < 0 or signature != b"PK\x06\x07":
        return None
    at -= _END64.size
    signature, record = _read(file, at, _END64)
    if at < 0 or signature != b"PK\x06\x06" or locator != (0, at, 1) or record[0] != _END64.size - 12:
        raise UnsoundError("has no ZIP64 end record where its locator has to point")
    return record[3:]


def _end(file: BinaryIO) -> tuple[int, tuple[int, ...]]:
    end = file.seek(0, os.SEEK_END) - _END.size
    signature, (*fields, comment) = _read(file, end, _END)
    if end < 0 or signature != b"PK\x05\x06" or comment:
        file.seek(max(end - _MAX_16, 0))
        known = b"PK\x05\x06" in file.read()
        raise UnsoundError("does not end where its end record says" if known else "is no zip archive")
    return end, tuple(fields)


def _directory(file: BinaryIO) -> _Directory:
    """Return where the central directory is, when it reaches to the end record and is not too large to be read."""
    end, classic = _end(file)
    full = _end64(file, end)
    if any(said not in {true, limit} for said, true, limit in zip(classic, full or classic, _LIMITS, strict=True)):
        raise UnsoundError("has a ZIP64 end record that contradicts its end record")
    if not full and any(said == limit for said, limit in zip(classic, _LIMITS, strict=True)):
        raise UnsoundError("has an end record that asks for a ZIP64 one, which is not there")
    disk, first_disk, here, count, size, start = full or classic
    if disk or first_disk or here != count:
        raise UnsoundError("is one part of several")
    if count > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        raise UnsoundError(
            f"has {count} entries in {size} bytes; at most {MAX_ENTRIES} in {MAX_DIRECTORY_BYTES} are read"
        )
    if start + size != (end - _LOCATOR64.size - _END64.size if full else end):
        raise UnsoundError("has a central directory that does not reach to the end record")
    return _Directory(count, size, start)


def _extra(name: str, data: bytes) -> bytes:
    """Return the ZIP64 field of an entry's extra fields; raises UnsoundError where another field gives another name."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<2H", data.ljust(at + 4, b"\0"), at)
        if at + 4 + length > len(data) or kind in found:
            raise UnsoundError(f"holds {shown(name)} with damaged extra fields")
        if kind in {_EXTRA_64, _EXTRA_NAME}:
            found[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    if _EXTRA_NAME in found and found[_EXTRA_NAME][5:] != name.encode():
        raise UnsoundError(f"holds {shown(name)} with another name in a Unicode extra field")
    return found.get(_EXTRA_64, b"")


def _full(name: str, fields: Sequence[int], extra: bytes) -> list[int]:
    """Put the values of the ZIP64 field in the place of those that are too large for the classic ones."""
    if len(extra) != 8 * sum(field == _MAX_32 for field in fields):
        raise UnsoundError(f"holds {shown(name)} with ZIP64 sizes that its other sizes do not ask for, or without any")
    values = iter(struct.unpack(f"<{len(extra) // 8}Q", extra))
    return [next(values) if field == _MAX_32 else field for field in fields]


def _name(data: bytes, flags: int) -> str:
    try:
        return data.decode("utf-8" if flags & _UTF_8 else "ascii")
    except UnicodeDecodeError:
        raise UnsoundError(
            f"holds {shown(data.decode('latin-1'))}, a name that is neither ASCII nor marked UTF-8"
        ) from None


def _checked(entry: Entry) -> Entry:
    name = shown(entry.name)
    if entry.flags & 0x1:
        raise UnsoundError(f"holds {name}, which is encrypted")
    if entry.flags & ~_KNOWN_FLAGS:
        raise UnsoundError(f"holds {name} with the flags {entry.flags:#06x}, which wheels do not use")
    if entry.method not in {STORED, DEFLATED}:
        raise UnsoundError(f"holds {name}, which is neither stored nor deflated, as wheels are")
    if entry.method == STORED and entry.packed != entry.size:
        raise UnsoundError(f"holds {name}, which is stored with two different sizes")
    if not 0 < len(entry.name.encode()) <= _MAX_NAME_BYTES:
        raise UnsoundError(f"holds {name}, a name of {len(entry.name.encode())} bytes")
    return entry


def _entries(directory: _Directory, data: bytes) -> Iterator[Entry]:
    """Yield the entries that the central directory names."""
    at = 0
    for _ in range(directory.length):
        signature, *numbers = _CENTRAL.unpack_from(data.ljust(at + _CENTRAL.size, b"\0"), at)
        _, needed, flags, method, _, _, crc, packed, size, *lengths, disk, _, attributes, header = numbers
        if needed & 0xFF > _NEWEST:
            raise UnsoundError(f"needs version {needed & 0xFF} of the zip format, which readers do not have")
        name_at = at + _CENTRAL.size
        extra_at, comment_at, at = (name_at + sum(lengths[:n]) for n in (1, 2, 3))
        if signature != b"PK\x01\x02" or at > len(data) or disk:
            raise UnsoundError("has a damaged central directory")
        name = _name(data[name_at:extra_at], flags)
        size, packed, header = _full(name, (size, packed, header), _extra(name, data[extra_at:comment_at]))
        yield _checked(Entry(name, flags, method, crc, packed, size, header, attributes))
    if at != len(data):
        raise UnsoundError("has a central directory with more in it than its end record counts")


def _descriptors(entry: Entry) -> set[bytes]:
    """Return the forms that a data descriptor may have: with a signature or without, with ZIP64 sizes or without."""
    forms = {struct.pack("<LQQ", entry.crc, entry.packed, entry.size)}
    if max(entry.packed, entry.size) <= _MAX_32:
        forms.add(struct.pack("<LLL", entry.crc, entry.packed, entry.size))
    return forms | {b"PK\x07\x08" + form for form in forms}


def _located(file: BinaryIO, entry: Entry, end: int) -> Entry:
    """Return the entry with its data's place; raises UnsoundError where local header and central directory differ."""
    signature, numbers = _read(file, entry.header, _LOCAL)
    _, flags, method, _, _, crc, packed, size, name_length, extra_length = numbers
    name = file.read(name_length)
    extra = _extra(entry.name, file.read(extra_length))
    if extra == struct.pack("<QQ", size, packed):  # a copy, which Bazel writes without need
        extra = b""
    size, packed = _full(entry.name, (size, packed), extra)
    said, true = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    if signature != b"PK\x03\x04" or (name, flags, method) != (entry.name.encode(), entry.flags, entry.method):
        raise UnsoundError(f"holds {shown(entry.name)} with a local header that says another name, kind or place")
    if said != true and not (flags & _DESCRIBED and said == (0, 0, 0)):
        raise UnsoundError(f"holds {shown(entry.name)} with a local header that says other sizes or another checksum")
    data = entry.header + _LOCAL.size + name_length + extra_length
    _check_end(file, entry, data + entry.packed, end)
    return entry._replace(data=data)


def _check_end(file: BinaryIO, entry: Entry, at: int, end: int) -> None:
    if at > end:
        raise UnsoundError(f"holds {shown(entry.name)}, which overlaps what comes after it")
    file.seek(at)
    between = file.read(min(end - at, 25))
    if between not in (_descriptors(entry) if entry.flags & _DESCRIBED else {b""}):
        raise UnsoundError(f"has bytes after {shown(entry.name)} that belong to no entry")


def entries(file: BinaryIO) -> list[Entry]:
    """Return the entries in the order of their bytes; raises UnsoundError where two readers could differ."""
    directory = _directory(file)
    file.seek(directory.start)
    found = sorted(_entries(directory, file.read(directory.size)), key=lambda entry: entry.header)
    starts = [*(entry.header for entry in found), directory.start]
    if starts[0]:
        raise UnsoundError("has bytes before its first entry")
    return [_located(file, entry, end) for entry, end in zip(found, starts[1:], strict=True)]
