"""A wheel -> is it sound: every installer reads it in the same way, and it holds what its RECORD says.

RECORD follows the binary distribution format (PEP 427): a row for each file with its hash and size, none for a file
that is not there. Each byte is unpacked once, in pieces. Numbers are checked before anything is believed: a wheel
takes less than 200 MB of memory to read, and no more time than 100 times its own size to unpack.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from email.parser import Parser
from pathlib import Path
from typing import BinaryIO

from scripts.wheel_layout import dist_info
from scripts.zip_content import pieces
from scripts.zip_layout import Entry, UnsoundError, entries, shown

MAX_METADATA_BYTES = 10 * 2**20
_LIMITS = {"METADATA": MAX_METADATA_BYTES, "WHEEL": 2**16, "RECORD": 16 * 2**20}
_MAX_UNPACKED_BYTES = 16 * 2**30
# Deflate makes a thousandth of zeros, but a third of programs: only what is small may be emptier than that.
_MAX_RATIO, _ANY_RATIO_BYTES = 100, 100 * 2**20
_ALGORITHMS = {"sha256", "sha384", "sha512"}
# What is written after the hashes has none.
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_LINE = 2**20


def _check_sizes(found: Sequence[Entry], folder: str, packed: int) -> None:
    for entry in found:
        limit = _LIMITS.get(entry.name.removeprefix(f"{folder}/"))
        if limit and entry.name.startswith(folder) and entry.size > limit:
            raise UnsoundError(f"holds a {entry.name} larger than {limit} bytes")
    size = sum(entry.size for entry in found)
    if size > _MAX_UNPACKED_BYTES:
        raise UnsoundError(f"unpacks to {size} bytes; {_MAX_UNPACKED_BYTES} are the most")
    if size > max(_ANY_RATIO_BYTES, _MAX_RATIO * packed):
        raise UnsoundError(f"unpacks to {size} bytes, more than {_MAX_RATIO} times its {packed}")


def _check_wheel_file(name: str, data: bytes) -> None:
    """Refuse what says no version that installers know, or says twice what they read once."""
    try:
        fields = Parser().parsestr(data.decode("utf-8"), headersonly=True)
    except UnicodeDecodeError:
        raise UnsoundError(f"holds a {name} that is not UTF-8") from None
    for field, form in (("Wheel-Version", r"1\.[0-9]+"), ("Root-Is-Purelib", r"(?i:true|false)")):
        values = [str(value).strip() for value in fields.get_all(field, [])]
        if len(values) != 1 or not re.fullmatch(form, values[0]):
            raise UnsoundError(f"holds a {name} with the {field} {', '.join(map(shown, values)) or 'missing'}")


def _rows(name: str, data: bytes) -> Iterator[list[str]]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    try:
        for row in csv.reader(iter(lambda: text.readline(_LINE), ""), strict=True):
            if len(row) != 3:
                raise UnsoundError(f"holds a {name} with a row of {len(row)} fields; a row has three")
            yield row
    except (csv.Error, UnicodeDecodeError):
        raise UnsoundError(f"holds a {name} that is no CSV in UTF-8") from None


def _check_hash(file: BinaryIO, entry: Entry, stated: str, size: str) -> None:
    algorithm, _, value = stated.partition("=")
    if algorithm not in _ALGORITHMS:
        raise UnsoundError(f"has a RECORD without a sha256 of {shown(entry.name)}")
    if size != str(entry.size):
        raise UnsoundError(f"has a RECORD with another size of {shown(entry.name)}")
    digest = hashlib.new(algorithm)
    for piece in pieces(file, entry):
        digest.update(piece)
    if value != base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode():
        raise UnsoundError(f"has a RECORD with another {algorithm} of {shown(entry.name)}")


def _check_record(file: BinaryIO, files: Mapping[str, Entry], folder: str, record: bytes) -> None:
    """Compare the rows with the files; each is unpacked as its row is read."""
    unnamed = dict(files)
    unhashed = {f"{folder}/{name}" for name in _UNHASHED}
    for name, stated, size in _rows(f"{folder}/RECORD", record):
        if name not in unnamed:
            raise UnsoundError(
                f"has a RECORD with {shown(name)}, which is {'named twice' if name in files else 'not there'}"
            )
        entry = unnamed.pop(name)
        if name not in unhashed:
            _check_hash(file, entry, stated, size)
        elif stated or size not in {"", str(entry.size)}:
            raise UnsoundError(f"has a RECORD with a hash of {shown(name)}, which is written after it")
    if missing := sorted(unnamed.keys() - unhashed):
        raise UnsoundError(f"holds {shown(missing[0])}, which its RECORD does not name")
    for entry in (files[name] for name in unhashed & files.keys()):
        for _ in pieces(file, entry):
            pass


def check(path: Path) -> tuple[str, bytes]:
    """Return name and bytes of a sound wheel's METADATA; raises UnsoundError where it is not sound."""
    with path.open("rb") as file:
        found = entries(file)
        folder = dist_info(path.name, found)
        _check_sizes(found, folder, file.seek(0, os.SEEK_END))
        files = {entry.name: entry for entry in found if not entry.name.endswith("/")}
        wheel, record = (b"".join(pieces(file, files[f"{folder}/{name}"])) for name in ("WHEEL", "RECORD"))
        _check_wheel_file(f"{folder}/WHEEL", wheel)
        _check_record(file, files, folder, record)
        metadata = f"{folder}/METADATA"
        return metadata, b"".join(pieces(file, files[metadata]))
