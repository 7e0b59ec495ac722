"""Two lists of files -> changes.json: what each release added, removed and upgraded, the newest first.

A release takes over what the one before it told, so that the story goes on when that release is deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from scripts.distribution import parse_filename
from scripts.files import read_json
from scripts.list_files import Lines, Record, record_of
from scripts.release import CHANGES

FILE = CHANGES
MOST_RELEASES = 100


class Change(NamedTuple):
    """What became of one project: its versions before and after, from the oldest, and how many files came and went.

    kind is `added`, `removed`, `upgraded` (to a higher newest version), `downgraded`, or `changed`: other versions or
    files below the same newest one.
    """

    project: str
    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    files_added: int
    files_removed: int


class Entry(NamedTuple):
    """One release: its id, when it was made (UTC, as in PEP 700), and what it changed, by project."""

    release: str
    time: str
    changes: tuple[Change, ...]


_Files = dict[NormalizedName, dict[str, Version]]
_WHEEL = re.compile(rb'"filename": "([A-Za-z0-9._]+)-[^"]+\.whl"')


def _digest(line: bytes) -> bytes:
    """Return what stands for a line: of two lists of 100,000 nothing else is held."""
    return hashlib.sha256(line).digest()[:16]


def _parsed(record: Record) -> tuple[NormalizedName, Version] | None:
    """Return of which project and version a file is; a damaged record names nothing."""
    try:
        return parse_filename(str(record.get("filename")))
    except ValueError:
        return None


def _project(line: bytes) -> str | None:
    """Return the project that a line is of; most are of wheels, whose names begin with it."""
    if wheel := _WHEEL.search(line):
        return canonicalize_name(wheel[1].decode())
    return (_parsed(record_of(line)) or (None,))[0]


def _by_project(lines: Iterable[bytes]) -> _Files:
    """Map project -> hash and name of each file -> its version."""
    found: _Files = {}
    for record in map(record_of, lines):
        if parsed := _parsed(record):
            version = parsed[1]
            found.setdefault(parsed[0], {})[f"{record.get('hash')} {record.get('filename')}"] = version
    return found


def _kind(before: Sequence[Version], after: Sequence[Version]) -> str:
    if not before or not after:
        return "removed" if before else "added"
    if before[-1] == after[-1]:
        return "changed"
    return "upgraded" if before[-1] < after[-1] else "downgraded"


def _change(project: str, old: Mapping[str, Version], new: Mapping[str, Version]) -> Change:
    before, after = sorted(set(old.values())), sorted(set(new.values()))
    return Change(
        project,
        _kind(before, after),
        tuple(map(str, before)),
        tuple(map(str, after)),
        len(new.keys() - old.keys()),
        len(old.keys() - new.keys()),
    )


def changes(before: Collection[bytes] | Lines, after: Collection[bytes] | Lines) -> tuple[Change, ...]:
    """Compare two releases by the lines of their `files.jsonl`, each of which is gone through more than once."""
    sides = (before, {_digest(line) for line in after}), (after, {_digest(line) for line in before})
    changed = {_project(line) for side, others in sides for line in side if _digest(line) not in others}
    old, new = (_by_project(line for line in side if _project(line) in changed) for side, _ in sides)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return tuple(_change(name, old.get(name, {}), new.get(name, {})) for name in names)


def write(entries: Sequence[Entry], site: Path) -> None:
    """Write `changes.json`, without the oldest entries beyond MOST_RELEASES."""
    objects = [
        {**entry._asdict(), "changes": [change._asdict() for change in entry.changes]}
        for entry in entries[:MOST_RELEASES]
    ]
    (site / FILE).write_text(json.dumps(objects, separators=(",", ":")), encoding="ascii")


def read(release: Path) -> list[Entry]:
    """Read what a release tells; one that tells nothing, or was damaged, begins a new story."""
    try:
        return [_read_entry(one) for one in read_json(release / FILE)]
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return []


def _read_entry(one: dict[str, Any]) -> Entry:
    datetime.fromisoformat(one["time"])  # raises what `read` expects
    return Entry(one["release"], one["time"], tuple(map(_read_change, one["changes"])))


def _read_change(one: dict[str, Any]) -> Change:
    files = int(one["files_added"]), int(one["files_removed"])
    return Change(one["project"], one["kind"], tuple(one["before"]), tuple(one["after"]), *files)
