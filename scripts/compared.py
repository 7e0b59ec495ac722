"""A change, what it is looked at with -> Compared: the facts of the files that came, beside those that went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from scripts.change import Change
from scripts.evidence import Evidence, FileFacts, ProjectFacts
from scripts.locks import Key
from scripts.texts import few, quoted
from scripts.waivers import Waiver

_MOST_NAMES = 5  # that one sentence lists


class Context(NamedTuple):
    """What a change is looked at with.

    before are the hashes that the base's locks had of each project that they approved.
    moments say when locks were made, and as_of when the others were. young is the age in days that files should have.
    private are the projects that no upstream is asked about, in_house those that were and are built in-house.
    """

    evidence: Evidence
    before: Mapping[str, frozenset[str]]
    moments: Mapping[Key, datetime]
    as_of: datetime
    young: int
    private: frozenset[str] = frozenset()
    in_house: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    waivers: Sequence[Waiver] = ()


class Compared(NamedTuple):
    """A change with the facts of its files: those that came, and those that they are compared with."""

    change: Change
    old: Sequence[FileFacts]
    new: Sequence[FileFacts]
    project: ProjectFacts
    context: Context

    @property
    def is_private(self) -> bool:
        """Whether the project is built in-house, so that no upstream is asked."""
        return self.change.project in self.context.private


def former(change: Change, before: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the hashes of what a change is compared with; where it replaces no file, all that its project had."""
    return change.old or (frozenset() if change.kind == "added" else before.get(change.project, frozenset()))


def compared(change: Change, context: Context) -> Compared:
    """Return a change with what is known of its files."""
    files, old = context.evidence.files, former(change, context.before)
    before, after = ([files.get(sha256, FileFacts()) for sha256 in sorted(each)] for each in (old, change.new))
    project = context.evidence.projects.get(change.project, ProjectFacts())
    return Compared(change, before, after, project, context)


def listed(names: Iterable[object], most: int = _MOST_NAMES) -> str:
    """Quote the first of several texts of others, and say how many more there are; a set's are sorted."""
    every = sorted(names, key=str) if isinstance(names, frozenset) else list(names)
    return few(list(map(quoted, every)), most)
