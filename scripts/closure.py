"""What is offered -> what a client would miss: each dependency of each pin, on each target, is met by a served file.

A dependency counts where its marker holds on the target (PEP 508). Those of an extra count where a requirement asks for
the extra, and what they need in turn. A file meets one if the target accepts its tags and its Requires-Python has the
target's Python. An sdist's dependencies are not known without running its code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from scripts.list_files import File
from scripts.locks import Key
from scripts.need import Asked, need_of
from scripts.requirements import Line
from scripts.target import tags_of

Projects = Mapping[Any, Sequence[File]]  # by normalised name


def _is_pin(specifier: SpecifierSet) -> bool:
    return any(one.operator in {"==", "==="} and not one.version.endswith(".*") for one in specifier)


class Node(NamedTuple):
    """A file, and the extra of it whose dependencies are meant; "" for those that it always has."""

    filename: str
    extra: str


class Missing(NamedTuple):
    """A dependency that nothing meets on a target. chain leads from what a requirement names to what needs it.

    Where chain is empty it is the requirement itself, and where says its place.
    """

    chain: tuple[Node, ...]
    need: str
    where: str = ""


class Served:
    """What a target is offered, and what it sees in requirements, which are texts here."""

    def __init__(self, key: Key, projects: Projects) -> None:
        self._key = key
        self._projects = projects
        self._tags = {tag: place for place, tag in enumerate(key.target.tags)}
        self._environment = key.target.environment
        self._own: dict[str, set[Version]] = {}
        self._places: dict[frozenset[Tag], int | None] = {}
        self._runs: dict[str, bool] = {}
        self._files: dict[str, list[File]] = {}
        self._met: dict[Asked, list[File]] = {}
        self._leads: dict[Asked, list[tuple[File, Node]]] = {}
        self._holds: dict[tuple[str, str], bool] = {}

    def files(self, project: str) -> list[File]:
        """List what the target takes of a project, the best version first: what its own lock has, then the newest.

        Of several files of a version a client takes the one that fits best, whichever set brought it here.
        """
        if project not in self._files:
            best: dict[Version, File] = {}
            for file in sorted(filter(self._accepts, self._projects.get(project, ())), key=self._fit, reverse=True):
                best[file.distribution.version] = file
            self._files[project] = sorted(best.values(), key=self._rank, reverse=True)
        return self._files[project]

    def _fit(self, file: File) -> tuple[int, int]:
        """Place a file in the target's order of preference (PEP 425), then by its build tag (PEP 427)."""
        place, name = self._place(file), file.distribution.filename
        if place is None or file.distribution.metadata is None:
            return len(self._tags), 0
        build = parse_wheel_filename(name)[2] if name.count("-") > 4 else ()
        return place, -build[0] if build else 1

    def _place(self, file: File) -> int | None:
        """Return the best place that a file's tags have, of which many have the same; None where it has no place."""
        if file.distribution.metadata is None:
            return len(self._tags)
        tags = tags_of(file.distribution.filename)
        if tags not in self._places:
            self._places[tags] = min((self._tags[tag] for tag in tags if tag in self._tags), default=None)
        return self._places[tags]

    def pins(self, files: Iterable[File]) -> Iterator[File]:
        """Yield the files that the target's own lock names."""
        return (file for file in files if self._key in file.serves)

    def _accepts(self, file: File) -> bool:
        return self._place(file) is not None and self._has_python(file.distribution.requires_python or "")

    def _has_python(self, text: str) -> bool:
        if text not in self._runs:
            python = self._environment["python_full_version"]
            self._runs[text] = SpecifierSet(text).contains(python, prereleases=True)
        return self._runs[text]

    def _rank(self, file: File) -> tuple[bool, bool, Version]:
        version = file.distribution.version
        return self.is_own(file), not version.is_prerelease, version

    def is_own(self, file: File) -> bool:
        """Whether the target's own lock names a file, or another of its version."""
        one = file.distribution
        if one.name not in self._own:
            self._own[one.name] = {own.distribution.version for own in self.pins(self._projects[one.name])}
        return one.version in self._own[one.name]

    def holds(self, need: str, extra: str = "") -> bool:
        """Whether a requirement's marker holds on the target."""
        _, marker, condition = need_of(need)
        if marker is None:
            return True
        if (condition, extra) not in self._holds:
            self._holds[condition, extra] = marker.evaluate(self._environment | {"extra": extra})
        return self._holds[condition, extra]

    def meets(self, need: str) -> list[File]:
        """List what meets a requirement.

        A pre-release does where there is nothing else, or the requirement names one (PEP 440). A yanked file does for a
        pin alone (PEP 592).
        """
        asked = need_of(need).asked
        if asked not in self._met:
            self._met[asked] = [] if asked.specifier is None else self._matching(asked.project, asked.specifier)
        return self._met[asked]

    def _matching(self, project: str, wanted: str) -> list[File]:
        specifier = SpecifierSet(wanted)
        files = [file for file in self.files(project) if not file.facts.yanked or _is_pin(specifier)]
        versions = set(specifier.filter([file.distribution.version for file in files]))
        return [file for file in files if file.distribution.version in versions]

    def leads_to(self, need: str) -> list[tuple[File, Node]]:
        """List whose needs a requirement brings in turn: where the lock has it, that is what clients get, else any."""
        asked = need_of(need).asked
        if asked not in self._leads:
            met = self.meets(need)
            files = list(filter(self.is_own, met)) or met
            self._leads[asked] = [one for extra in asked.extras for one in self._nodes(files, extra)]
        return self._leads[asked]

    def _nodes(self, files: Sequence[File], extra: str) -> list[tuple[File, Node]]:
        """Pair files with an extra; where some of them have all that it needs, these are what a client takes."""
        whole = [file for file in files if all(map(self.meets, self.needs(file, extra)))] if extra else []
        return [(file, Node(file.distribution.filename, extra)) for file in whole or files]

    def needs(self, file: File, extra: str) -> list[str]:
        """List what a file needs on the target: without an extra what it always does, with one what that adds."""
        return [need for need in file.distribution.requires_dist if self._adds(need, extra)]

    def _adds(self, need: str, extra: str) -> bool:
        return self.holds(need, extra) and not (extra and self.holds(need))


class _Step(NamedTuple):
    """A node that is reached, and by which step."""

    node: Node
    file: File
    by: _Step | None

    @property
    def chain(self) -> tuple[Node, ...]:
        found, step = [self.node], self.by
        while step:
            found.append(step.node)
            step = step.by
        return tuple(reversed(found))


def missing(served: Served, roots: Sequence[Line], files: Sequence[File]) -> Iterator[Missing]:
    """Yield what nothing meets, from the requirements to all that they need, then from the lock's other files."""
    seen: set[Node] = set()
    followed: set[Asked] = set()
    yield from (Missing((), root.text, root.where) for root in roots if not served.meets(root.text))
    asked = (one for root in roots for one in served.leads_to(root.text))
    rest = ((file, Node(file.distribution.filename, "")) for file in served.pins(files))
    yield from _walk(served, asked, seen, followed)
    yield from _walk(served, rest, seen, followed)


def _taken(todo: deque[_Step]) -> Iterator[_Step]:
    while todo:
        yield todo.popleft()


def _walk(
    served: Served, start: Iterable[tuple[File, Node]], seen: set[Node], followed: set[Asked]
) -> Iterator[Missing]:
    todo = deque[_Step]()
    for step in chain((_Step(node, file, None) for file, node in start), _taken(todo)):
        if step.node in seen:
            continue
        seen.add(step.node)
        for need in served.needs(step.file, step.node.extra):
            if not served.meets(need):
                yield Missing(step.chain, need)
            asked = need_of(need).asked
            if asked not in followed:
                onward = _onward(served, step.file, need)
                todo.extend(_Step(node, file, step) for file, node in onward if node not in seen)
            if asked.project != step.file.distribution.name:
                followed.add(asked)


def _onward(served: Served, file: File, need: str) -> list[tuple[File, Node]]:
    """List whose needs come next; what a project needs of itself, such as its other extras, is of the same version."""
    found, one = served.leads_to(need), file.distribution
    if need_of(need).asked.project != one.name:
        return found
    return [(other, node) for other, node in found if other.distribution.version == one.version]
