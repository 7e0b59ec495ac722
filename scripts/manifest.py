"""A release -> manifest.jsonl: which files it is made of, by sha256 and size, and where it comes from.

JSON Lines in ASCII. The first line is the release: its id, a `generation` that only grows, the git commit and the
digest of the locks that it was made of, the versions of the tools, how many projects and distributions it has, and
the programs that serve it (`bin/`). Each other line is one file: its path below the document root, sha256 and size in
bytes, sorted by path. OpenSSH's signature of exactly these bytes stands beside it, where there is a key.

Needs nothing but Python, as all that reads it on the other side of an air gap.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from scripts.digest import sha256_of
from scripts.files import is_file, stat_of
from scripts.root import release_time

FILE = "manifest.jsonl"
SIGNATURE = f"{FILE}.sig"
PACKAGES, BIN = "packages/", "bin/"
ID_FILE, LINK = "release.txt", "packages"
# What is in a release's folder beside the pages that its manifest lists.
OWN = frozenset({ID_FILE, LINK, FILE, SIGNATURE})
PROGRAMS = frozenset({"caddy", "caddy-server", "Caddyfile"})
_quoted = json.encoder.encode_basestring_ascii
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_BYTES = 2**30
_LINE = re.compile(r'\{"path": "([^"\\]+)", "sha256": "([0-9a-f]{64})", "size": ([0-9]{1,15})\}\n')


class Fact(NamedTuple):
    """What a file is: sha256 in hex, and size in bytes."""

    sha256: str
    size: int


class _Pool(Mapping[str, Fact]):
    """Of files by path, those of the pool, by name, which is made when it is asked for."""

    def __init__(self, files: Mapping[str, Fact]) -> None:
        self._files = files

    def __getitem__(self, name: str) -> Fact:
        return self._files[f"{PACKAGES}{name}"]

    def __iter__(self) -> Iterator[str]:
        return (path.removeprefix(PACKAGES) for path in self._files if path.startswith(PACKAGES))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Manifest(NamedTuple):
    """One release. commit is "" where there was no git, and ends in `-dirty` where files differed from the commit.

    locks is the sha256 of all locks; files are by their path below the document root, programs by their name in `bin/`.
    """

    release: str
    generation: int
    commit: str
    locks: str
    tools: Mapping[str, str]
    projects: int
    programs: Mapping[str, Fact]
    files: Mapping[str, Fact]

    @property
    def pages(self) -> dict[str, Fact]:
        """What stands in the release's own folder."""
        return {path: fact for path, fact in self.files.items() if not path.startswith(PACKAGES)}

    @property
    def pool(self) -> Mapping[str, Fact]:
        """What stands in the pool, by name: distributions and sidecars."""
        return _Pool(self.files)

    def named(self) -> dict[str, Fact]:
        """Return all that a release needs, programs included, by path from the shared folder or the document root."""
        return {**self.files, **{f"{BIN}{name}": fact for name, fact in self.programs.items()}}

    @property
    def distributions(self) -> list[str]:
        """The names of the wheels and sdists."""
        return [name for name in self.pool if not name.endswith(".metadata")]

    def lines(self) -> Iterator[str]:
        """Yield what the file holds, line by line."""
        head = {name: value for name, value in self._asdict().items() if name != "files"}
        head["programs"] = {name: fact._asdict() for name, fact in self.programs.items()}
        head["distributions"] = len(self.distributions)
        yield f"{json.dumps(head, sort_keys=True)}\n"
        for path in sorted(self.files):
            sha256, size = self.files[path]
            yield f'{{"path": {_quoted(path)}, "sha256": "{sha256}", "size": {size}}}\n'


def fact_of(source: Path | str | bytes) -> Fact:
    """Return what a file is, or what one of such bytes would be."""
    if isinstance(source, bytes):
        return Fact(hashlib.sha256(source).hexdigest(), len(source))
    stat = os.stat(source)  # noqa: PTH116 (a Path takes longer to make than this)
    return Fact(sha256_of(source, stat), stat.st_size)


def stat_if_right(path: Path | str, fact: Fact) -> os.stat_result | None:
    """Return what the system said of a file just before it was read; None where it is not what it should be."""
    found = stat_of(path)
    return found if found and found.st_size == fact.size and sha256_of(path, found) == fact.sha256 else None


def is_right(path: Path | str, fact: Fact) -> bool:
    """Whether a file, and no link to one, is there and what it should be."""
    return stat_if_right(path, fact) is not None


def _is_plain(path: str) -> bool:
    """Whether a path leads down, from part to part, and to one place only."""
    parts = path.split("/")
    is_in_its_place = len(parts) == 2 if parts[0] == "packages" else path not in OWN and parts[0] != "bin"
    return path.isprintable() and is_in_its_place and all(0 < len(part) < 256 and part[0] != "." for part in parts)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{value!r} is no text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is no count")
    return value


def _sha256(value: object) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is no sha256")
    return str(value)


def _path(value: object) -> str:
    if not _is_plain(_text(value)):
        raise ValueError(f"{value!r} is no path of a release")
    return str(value)


def _fact(told: dict[str, Any]) -> Fact:
    return Fact(sys.intern(_sha256(told["sha256"])), _count(told["size"]))


def _head(told: dict[str, Any], files: Mapping[str, Fact]) -> Manifest:
    release = _text(told["release"])
    if release_time(Path(release)) is None:
        raise ValueError(f"{release!r} is no release's id")
    return Manifest(
        release,
        _count(told["generation"]),
        _text(told["commit"]),
        _sha256(told["locks"]),
        {_text(name): _text(version) for name, version in told["tools"].items()},
        _count(told["projects"]),
        {name: _fact(fact) for name, fact in told["programs"].items()},
        files,
    )


def _file(line: str) -> tuple[str, Fact]:
    told = json.loads(line)
    return _path(told["path"]), _fact(told)


def folders(paths: Iterable[str]) -> set[str]:
    """Return the folders above paths."""
    found: set[str] = set()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def parse(data: bytes) -> Manifest:
    """Read a manifest; raises ValueError where it is none."""
    try:
        lines = io.BytesIO(data)
        head, files = lines.readline(), {}
        for line in lines:
            path, fact = _file(line.decode("ascii"))
            if path in files:
                raise ValueError(f"it names {path} twice")
            files[path] = fact
        if both := files.keys() & folders(files):
            raise ValueError(f"{min(both)} is a file, and a folder")
        made = _head(json.loads(head), files)
        if strange := made.programs.keys() - PROGRAMS:
            raise ValueError(f"{min(strange)!r} is no program of ours")
        return made
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"is no manifest that make index wrote: {error}") from None


@lru_cache(1)  # the live release's is asked for at each step
def _parsed(path: Path, _: tuple[int, ...]) -> Manifest:
    return parse(path.read_bytes())


def read(release: Path) -> Manifest:
    """Read the manifest of a release; raises ValueError with path and reason where there is none."""
    path = release / FILE
    if not is_file(path) or path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path}: is no manifest; the release was made by an older version, or changed since")
    try:
        stat = path.stat()
        found = _parsed(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: {error}") from None
    if found.release != release.name:
        raise ValueError(f"{path}: is of the release {found.release}")
    return found


def listed(release: Path, is_asked: Callable[[str], bool]) -> Iterator[tuple[str, Fact]]:
    """Yield path and fact of what a release lists, as far as its path is asked for; all of it would take 100 MB."""
    found = stat_of(release / FILE)
    if found and found.st_size <= _MOST_BYTES:
        with (release / FILE).open(encoding="ascii", errors="replace") as lines:
            asked = (match for match in map(_LINE.fullmatch, lines) if match and is_asked(match[1]))
            yield from ((match[1], Fact(match[2], int(match[3]))) for match in asked)


def is_as_listed(release: Path, path: str) -> bool:
    """Whether a file of a release is what its manifest says."""
    fact = next((fact for _, fact in listed(release, path.__eq__)), None)
    return fact is not None and is_right(release / path, fact)


def generation_of(release: Path) -> int:
    """Return a release's generation; 0 where nothing tells it."""
    if not is_file(release / FILE):
        return 0
    try:
        with (release / FILE).open(encoding="ascii") as file:
            head = json.loads(file.readline(2**20))
            return _count(head["generation"]) if head["release"] == release.name else 0
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return 0
