"""Two lists of files -> changes.json: what each release added, removed and upgraded, the newest first.

A release takes over what the one before it told, so that the story goes on when that release is deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from scripts.distribution import parse_filename
from scripts.list_files import Record, Records
from scripts.locks import parse_version
from scripts.release import CHANGES
from scripts.root import is_file

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


_Files = dict[NormalizedName, dict[bytes, Version]]


def _file(record: Record) -> bytes:
    """Return a short name of a file: of two lists of 100,000 files nothing else is held."""
    return hashlib.sha256(f"{record.get('hash')} {record.get('filename')}".encode()).digest()[:16]


def _beginning(record: Record) -> str:
    """Return what the files of a project have in common, and few others have: what stands before the first dash."""
    return canonicalize_name(str(record.get("filename")).partition("-")[0])


def _by_project(records: Iterable[Record]) -> _Files:
    """Map project -> file -> its version; a damaged record names nothing."""
    found: _Files = {}
    for record in records:
        try:
            name, version = parse_filename(str(record.get("filename")))
        except ValueError:
            continue
        found.setdefault(name, {})[_file(record)] = parse_version(str(version))
    return found


def _kind(before: Sequence[Version], after: Sequence[Version]) -> str:
    if not before or not after:
        return "removed" if before else "added"
    if before[-1] == after[-1]:
        return "changed"
    return "upgraded" if before[-1] < after[-1] else "downgraded"


def _change(project: str, old: Mapping[bytes, Version], new: Mapping[bytes, Version]) -> Change:
    before, after = sorted(set(old.values())), sorted(set(new.values()))
    return Change(
        project,
        _kind(before, after),
        tuple(map(str, before)),
        tuple(map(str, after)),
        len(new.keys() - old.keys()),
        len(old.keys() - new.keys()),
    )


def changes(before: Collection[Record] | Records, after: Collection[Record] | Records) -> tuple[Change, ...]:
    """Compare two releases by the records of their `files.jsonl`, each of which is gone through twice."""
    sides = (before, {_file(one) for one in after}), (after, {_file(one) for one in before})
    changed = {_beginning(one) for side, others in sides for one in side if _file(one) not in others}
    old, new = (_by_project(one for one in side if _beginning(one) in changed) for side, _ in sides)
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
        told = json.loads((release / FILE).read_bytes()) if is_file(release / FILE) else []
        return [_read_entry(one) for one in told]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _read_entry(one: dict[str, Any]) -> Entry:
    datetime.fromisoformat(one["time"])  # raises what `read` expects
    return Entry(one["release"], one["time"], tuple(map(_read_change, one["changes"])))


def _read_change(one: dict[str, Any]) -> Change:
    files = int(one["files_added"]), int(one["files_removed"])
    return Change(one["project"], one["kind"], tuple(one["before"]), tuple(one["after"]), *files)
