"""A wheel or sdist -> what it says of itself: read without running any of it, and checked.

File names follow the binary distribution format (PEP 427) and the sdist format (PEP 625). Everything in a file is
untrusted: sizes are capped, names are compared with what the lock approved.
"""

from __future__ import annotations

import gzip
import lzma
import math
import re
import struct
import sys
import tarfile
import zipfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from scripts import archive, core_metadata, zip_layout
from scripts.archive import MAX_METADATA_BYTES
from scripts.core_metadata import About
from scripts.manifest import Fact, fact_of
from scripts.versions import parse_version

Value = TypeVar("Value")

SUFFIXES = (".whl", ".tar.gz", ".zip")
# A file name may have 255 bytes, and ours get endings such as `.metadata`.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,229}")
# In 200 characters there is room for 100,000, each an object.
_MOST_TAGS = 500
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
# What Python's readers of archives raise for bytes that are none, or are damaged, encrypted or compressed otherwise.
_UNSOUND = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, OverflowError, RuntimeError),
)


class Distribution(NamedTuple):
    """One file: its name, sha256 in hex, size in bytes, what its METADATA is (None for an sdist), and what that says.

    is_checked: its archive was checked as it was read, and not believed to have been checked before.
    """

    filename: str
    name: NormalizedName
    version: Version
    sha256: str
    size: int
    metadata: Fact | None
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    about: About = About()
    is_checked: bool = False


_known: dict[Any, Any] = {}


def _one(value: Value) -> Value:
    """Return an equal value that is there already."""
    known: Value = _known.setdefault(value, value)
    return known


def shared(one: Distribution) -> Distribution:
    """Return a file that shares with others what is equal: those of a project say much the same."""
    about = one.about._replace(license=_one(one.about.license), stated=_one(one.about.stated))
    return Distribution(
        *(sys.intern(one.filename), _one(one.name), parse_version(str(one.version)), sys.intern(one.sha256), one.size),
        one.metadata and Fact(sys.intern(one.metadata.sha256), one.metadata.size),
        *(_one(tuple(map(_one, one.requires_dist))), _one(one.requires_python), _one(about), one.is_checked),
    )


def _number_of_tags(wheel: str) -> int:
    """Return how many compatibility tags a wheel's name stands for (PEP 425): each Python, each ABI, each platform."""
    return math.prod(part.count(".") + 1 for part in wheel.removesuffix(".whl").split("-")[-3:])


@cache
def parse_filename(filename: str) -> tuple[NormalizedName, Version]:
    """Return name and version of a wheel or sdist; raises ValueError with a sentence for any other name."""
    try:
        if not _SAFE_NAME.fullmatch(filename):
            raise InvalidWheelFilename("too long, or with characters that such a name does not have")
        if filename.endswith(".whl"):
            if _number_of_tags(filename) > _MOST_TAGS:
                raise InvalidWheelFilename(f"with more than {_MOST_TAGS} tags")
            name, version, *_ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise ValueError(f"{filename!r} is not the name of a wheel or sdist ({error})") from None
    return _one(name), parse_version(str(version))


def is_filename(text: str) -> bool:
    """Whether a text is the name of a wheel or sdist."""
    with suppress(ValueError):
        return bool(parse_filename(text))
    return False


def read(path: Path, sha256: str, *, is_sound: bool = False) -> Distribution:
    """Read one wheel or sdist; raises ValueError with a sentence where it does not hold what its name says.

    is_sound: these bytes were checked before, and need not be unpacked again to read what they say.
    """
    filename = path.name
    name, version = parse_filename(filename)
    try:
        if filename.endswith(".whl"):
            member, data = _read_wheel(path) if is_sound else archive.check(path)
        else:
            member, data = _read_sdist(path)
    except zip_layout.UnsoundError as error:
        raise ValueError(f"{filename} {error}") from None
    except _UNSOUND as error:
        raise ValueError(f"{filename} is not a sound archive: {error}") from None
    raw = core_metadata.parse(f"{filename}: {member}", data)
    core_metadata.check_identity(f"{filename}: {member}", raw, name, version)
    is_wheel = filename.endswith(".whl")
    return Distribution(
        filename,
        name,
        version,
        sha256,
        path.stat().st_size,
        fact_of(data) if is_wheel else None,
        tuple(core_metadata.requires_dist(f"{filename}: {member}", raw)) if is_wheel else (),
        core_metadata.requires_python(f"{filename}: {member}", raw),
        core_metadata.about(raw),
        not is_sound,
    )


def read_metadata(path: Path) -> bytes:
    """Return the exact METADATA of a wheel that was read before."""
    return _read_wheel(path)[1]


def _read_wheel(path: Path) -> tuple[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        member = next(name for name in opened.namelist() if _METADATA.fullmatch(name))
        return member, _zip_member(path, opened, member)


def _read_sdist(path: Path) -> tuple[str, bytes]:
    stem = path.name.removesuffix(".tar.gz").removesuffix(".zip")
    member = f"{stem}/PKG-INFO"
    if path.name.endswith(".zip"):
        with path.open("rb") as file:
            zip_layout.entries(file)  # or zipfile would read a directory of any size
        with zipfile.ZipFile(path) as opened:
            if member not in opened.namelist():
                raise ValueError(f"{path.name} holds no {member}")
            return member, _zip_member(path, opened, member)
    with _SmallReads(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        for _ in range(zip_layout.MAX_ENTRIES):
            if (info := tar.next()) is None:
                raise ValueError(f"{path.name} holds no {member}")
            tar.members.clear()  # type: ignore[attr-defined]  # which would remember each
            if info.name.removeprefix("./") == member and info.isreg() and (found := tar.extractfile(info)):
                return member, _capped(f"{path.name}: {member}", found)
    raise ValueError(f"{path.name} holds no {member} among its first {zip_layout.MAX_ENTRIES} entries")


def _zip_member(path: Path, opened: zipfile.ZipFile, member: str) -> bytes:
    # Of the others, zipfile unpacks all that one piece holds at once, which may be gigabytes.
    if opened.getinfo(member).compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{path.name}: {member} is neither stored nor deflated, as wheels are")
    with opened.open(member) as file:
        return _capped(f"{path.name}: {member}", file)


class _SmallReads(gzip.GzipFile):
    """A gzip file of which nobody reads much at once: tarfile would read an extended header of any size it claims."""

    def read(self, size: int | None = -1) -> bytes:
        """Read size bytes; raises TarError where these are more than anything that we look for has."""
        if size is None or not 0 <= size <= 2 * MAX_METADATA_BYTES:
            raise tarfile.ReadError("a header is too large")
        return super().read(size)


def _capped(what: str, file: IO[bytes]) -> bytes:
    data = file.read(MAX_METADATA_BYTES + 1)
    if len(data) > MAX_METADATA_BYTES:
        raise ValueError(f"{what} is larger than {MAX_METADATA_BYTES} bytes")
    return data
