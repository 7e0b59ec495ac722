"""$(PYPI_ROOT)/.rolled-back <-> which release was taken back, so that no scheduled run publishes it again.

A note belongs to the release that is live instead. It is written before the switch, and counts while that one is live.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scripts.files import read_json, remove, write_synced
from scripts.root import Root

FILE = ".rolled-back"
ANY_LOCKS = "*"


class Note(NamedTuple):
    """A release that was taken back, and what is not to come back: digests of locks, or ANY_LOCKS, and of contents."""

    taken_back: str
    locks: Sequence[str]
    contents: Sequence[str]


def _note(told: Mapping[str, Any]) -> Note:
    return Note(str(told["taken_back"]), list(map(str, told["locks"])), list(map(str, told["contents"])))


def _notes(root: Root) -> dict[str, Note]:
    path = root.path / FILE
    if not os.path.lexists(path):
        return {}
    try:
        told: dict[str, Any] = read_json(path)
        return {live: _note(one) for live, one in told.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise SystemExit(f"{root.path / FILE}: cannot be read ({error}); remove it to go on") from None


def read(root: Root) -> Note | None:
    """Return the note that counts now; raises SystemExit where nobody can tell."""
    return _notes(root).get(root.live.name) if root.live else None


def write(root: Root, live: str, note: Note) -> None:
    """Keep a note for what is live next; the one that counts now does so until then."""
    counts = {root.live.name: before} if root.live and (before := read(root)) else {}
    notes = {name: one._asdict() for name, one in {**counts, live: note}.items()}
    write_synced(root.path / FILE, json.dumps(notes).encode())


def forget(root: Root) -> None:
    """Remove the notes, once something else was published."""
    remove(root.path / FILE)


def refuse(root: Root, locks: str = "", content: str = "", *, is_forced: bool) -> None:
    """Raise SystemExit where the locks, or what was made of them, are what was taken back, unless that is wanted."""
    note = None if is_forced else read(root)
    if note and ({locks, ANY_LOCKS} & set(note.locks) or content in note.contents):
        raise SystemExit(
            f"{root.web}: {note.taken_back} was rolled back, and the locks are as they were then; change them, or run "
            "make index FORCE=1 to publish them again"
        )


def taken_back(root: Root) -> str:
    """Return the release that was rolled back to what is live; "" where that is not so."""
    note = read(root)
    return note.taken_back if note else ""
