"""$(PYPI_ROOT)/.rolled-back <-> which release was taken back, so that no scheduled run publishes it again.

A note belongs to the release that is live instead. It is written before the switch, and counts while that one is live.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from scripts.root import Root, remove, write_synced

FILE = ".rolled-back"
ANY_LOCKS = "*"


class Note(NamedTuple):
    """A release that was taken back, and the digests of the locks that are not to come back, or ANY_LOCKS."""

    taken_back: str
    locks: Sequence[str]


def _notes(root: Root) -> dict[str, Note]:
    try:
        told = json.loads((root.path / FILE).read_bytes())
        return {live: Note(str(one["taken_back"]), list(map(str, one["locks"]))) for live, one in told.items()}
    except FileNotFoundError:
        return {}
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


def refuse(root: Root, locks: str, *, is_forced: bool) -> None:
    """Raise SystemExit where the locks are those of a release that was taken back, unless that is what is wanted."""
    note = None if is_forced else read(root)
    if note and {locks, ANY_LOCKS} & set(note.locks):
        raise SystemExit(
            f"{root.web}: {note.taken_back} was rolled back, and the locks are as they were then; change them, or run "
            "make index FORCE=1 to publish them again"
        )
