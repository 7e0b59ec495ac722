"""Verified files -> files.jsonl: one JSON line a file, in dumb-pypi's input schema.

Keys: filename, hash (`sha256=<hex>`), requires_dist, requires_python, core_metadata (`sha256=<hex>` of METADATA),
upload_timestamp (seconds since 1970, where the upstream told it) and yanked_reason (where there is one). Lines are
sorted by file name and are ASCII, since dumb-pypi splits its input at every character that Unicode calls a line break.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from dumb_pypi.main import Package

from scripts import distribution
from scripts.cores import in_loads, on_all_cores
from scripts.distribution import Distribution, shared
from scripts.facts import Facts
from scripts.files import is_file
from scripts.locks import Key, Pin
from scripts.manifest import is_as_listed
from scripts.memory import Memory
from scripts.places import Places
from scripts.root import Root

FILE = "files.jsonl"

Record = dict[str, object]
_SHA256 = re.compile(rb'"hash": "sha256=([0-9a-f]{64})"')  # within a JSON string, quotes are escaped
NOTHING: Mapping[str, Distribution] = MappingProxyType({})


class File(NamedTuple):
    """One approved file: what it holds, what the upstream told of it, and the sets and targets that it serves."""

    distribution: Distribution
    facts: Facts = Facts()
    serves: tuple[Key, ...] = ()


class Lines:
    """The lines of a release's list, read anew each time that they are gone through; none where it cannot be read."""

    def __init__(self, release: Path) -> None:
        self._path = release / FILE

    def __iter__(self) -> Iterator[bytes]:
        if is_file(self._path):
            with suppress(OSError), self._path.open("rb") as lines:
                yield from lines


def record_of(line: bytes) -> Record:
    """Read a line of a list; one that is damaged says nothing."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def published(root: Root) -> Mapping[str, str]:
    """Map the sha256 of every file of every release that is kept to its name, as the newest of them has it."""
    lists = (release / FILE for release in root.all_releases)
    return _published(tuple((path, path.stat().st_ctime_ns) for path in lists if is_file(path)))


@lru_cache(1)  # a run asks more than once
def _published(lists: tuple[tuple[Path, int], ...]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    # A damaged list would give files other names, and nothing would mend it.
    releases = (path.parent for path, _ in reversed(lists) if is_as_listed(path.parent, path.name))
    for line in (line for release in releases for line in Lines(release)):
        # In most lists stands what stands in the newest.
        told = _SHA256.search(line)
        if told and told[1].decode() not in found and (record := record_of(line)):
            found[sys.intern(told[1].decode())] = str(record.get("filename"))
    return found


def _record(one: Distribution, facts: Facts) -> Record:
    record: dict[str, object | None] = {
        "filename": one.filename,
        "hash": f"sha256={one.sha256}",
        "requires_dist": list(one.requires_dist) or None,
        "requires_python": one.requires_python,
        "core_metadata": one.metadata and f"sha256={one.metadata.sha256}",
        "upload_timestamp": facts.upload_timestamp,
        "yanked_reason": facts.yanked if isinstance(facts.yanked, str) else None,
    }
    return {key: value for key, value in record.items() if value is not None}


def listing(files: Iterable[File]) -> Iterator[str]:
    """Yield the lines of `files.jsonl`."""
    text = json.JSONEncoder(sort_keys=True).encode
    return (f"{text(_record(file.distribution, file.facts))}\n" for file in files)


def _refuse_name(pin: Pin, filename: str) -> None:
    """Raise ValueError for what dumb-pypi would skip, or put on another project's page, with exit status 0."""
    try:
        project = Package.create(filename=filename).name
    except ValueError as error:
        raise ValueError(f"dumb-pypi writes no page for such a name ({error})") from None
    if project != pin.name:
        raise ValueError(f"dumb-pypi takes {filename} for a file of {project}")


def _clashes(files: Places[Pin]) -> Iterator[str]:
    known: dict[str, str] = {}
    names = ((name, pin.sha256) for pin, (_, name) in files.parts.items())
    for name in {name for name, sha256 in names if known.setdefault(name, sha256) != sha256}:
        yield f"{name}: locked with two hashes; run make upgrade so that the locks agree"


def _read_piece(
    known: Collection[str], paths: Places[Pin], piece: Sequence[Pin]
) -> list[tuple[Pin, Distribution | str]]:
    """Read some files; of one that cannot be read, say why."""
    found: list[tuple[Pin, Distribution | str]] = []
    for pin in piece:
        try:
            one = distribution.read(paths[pin], pin.sha256, is_sound=pin.sha256 in known)
            _refuse_name(pin, one.filename)
            found.append((pin, one))
        except ValueError as error:
            found.append((pin, str(error)))
    return found


def _read(
    paths: Places[Pin], known: Collection[str], learned: Mapping[str, Distribution]
) -> Iterator[tuple[Pin, Distribution | str]]:
    """Yield each file's word on itself, as it was learned, or read now; known are those that were checked before."""
    unknown = []
    for pin, (_, name) in paths.parts.items():
        one = learned.get(pin.sha256)
        if one and one.filename == name:
            yield pin, one
        else:
            unknown.append((pin, paths[pin].stat().st_size))
    for found in on_all_cores(partial(_read_piece, known, paths), in_loads(unknown)):
        yield from ((pin, shared(one) if isinstance(one, Distribution) else one) for pin, one in found)


@cache
def _sorted(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=str))


def list_files(
    root: Root,
    paths: Places[Pin],
    wanted: Mapping[Pin, Sequence[Key]],
    now: str,
    in_house: Collection[Pin] = (),
    memory: Memory | None = None,
    learned: Mapping[str, Distribution] = NOTHING,
) -> list[File]:
    """Read and check every file; returns them sorted by file name. now is the release's time, as PEP 700 writes it.

    in_house are the pins that came from first_party; learned is what the last run read, by sha256. The archive of
    another file that a kept release has is not checked: that happened before, and does again when its next release is
    made.

    Raises SystemExit with all problems: a file that does not hold what its name and its pin say, a name with two
    hashes, a name that dumb-pypi cannot parse.
    """
    memory, known = memory or Memory(root), published(root)
    found: dict[str, File] = {}
    problems = list(_clashes(paths))
    for pin, one in _read(paths, known.keys(), learned):
        if isinstance(one, str):
            problems.append(f"{pin}: {one}; take another version")
        else:
            facts = memory.recall(one, now)
            if pin in in_house:  # what an upstream told of these bytes is not of ours
                facts = Facts(yanked=None, approved=facts.approved, first_party=True)
            found[one.filename] = File(one, facts, _sorted(tuple(wanted[pin])))
    if problems:
        raise SystemExit("\n".join(sorted(problems)))
    return [found[name] for name in sorted(found)]
