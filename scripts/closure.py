"""What is offered -> what a client would miss: each dependency of each pin, on each target, is met by a served file.

A dependency counts where its marker holds on the target (PEP 508). Those of an extra count where a requirement asks for
the extra, and what they need in turn. A file meets one if the target accepts its tags and its Requires-Python has the
target's Python. An sdist's dependencies are not known without running its code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from scripts.list_files import File
from scripts.locks import Key
from scripts.requirements import Line

Projects = Mapping[Any, Sequence[File]]  # by normalised name
parse = cache(Requirement)
_specifiers = cache(SpecifierSet)
_MOST_CHOICES = 20


@cache
def _project(need: str) -> str:
    return canonicalize_name(parse(need).name)


_parsed_tags = cache(parse_tag)


def _tags(filename: str) -> frozenset[Tag]:
    """Return a wheel's tags, of which many have the same."""
    return _parsed_tags("-".join(filename.removesuffix(".whl").split("-")[-3:]))


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
        own = self.pins(file for files in projects.values() for file in files)
        self._own = {(file.distribution.name, file.distribution.version) for file in own}
        self._environment = key.target.environment
        self._files: dict[str, list[File]] = {}
        self._met: dict[str, list[File]] = {}
        self._leads: dict[str, list[tuple[File, Node]]] = {}
        self._needs: dict[Node, list[str]] = {}
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
        if file.distribution.metadata is None:
            return len(self._tags), 0
        name = file.distribution.filename
        build = parse_wheel_filename(name)[2] if name.count("-") > 4 else ()
        return min(self._tags[tag] for tag in _tags(name) if tag in self._tags), -build[0] if build else 1

    def pins(self, files: Iterable[File]) -> list[File]:
        """List the files that the target's own lock names."""
        return [file for file in files if self._key in file.serves]

    def _accepts(self, file: File) -> bool:
        one = file.distribution
        fits = one.metadata is None or not self._tags.keys().isdisjoint(_tags(one.filename))
        python = self._environment["python_full_version"]
        return fits and _specifiers(one.requires_python or "").contains(python, prereleases=True)

    def _rank(self, file: File) -> tuple[bool, bool, Version]:
        version = file.distribution.version
        return self.is_own(file), not version.is_prerelease, version

    def is_own(self, file: File) -> bool:
        """Whether the target's own lock names a file, or another of its version."""
        return (file.distribution.name, file.distribution.version) in self._own

    def holds(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether a marker holds on the target."""
        text = str(marker or "")
        if (text, extra) not in self._holds:
            self._holds[text, extra] = marker is None or marker.evaluate(self._environment | {"extra": extra})
        return self._holds[text, extra]

    def meets(self, need: str) -> list[File]:
        """List what meets a requirement.

        A pre-release does where there is nothing else, or the requirement names one (PEP 440). A yanked file does for a
        pin alone (PEP 592).
        """
        if need not in self._met:
            wanted = parse(need)
            same = "" if wanted.url else f"{_project(need)}{wanted.specifier}"  # whatever its marker and extras
            if same not in self._met:
                self._met[same] = [] if wanted.url else self._matching(_project(need), wanted.specifier)
            self._met[need] = self._met[same]
        return self._met[need]

    def _matching(self, project: str, specifier: SpecifierSet) -> list[File]:
        files = [file for file in self.files(project) if not file.facts.yanked or _is_pin(specifier)]
        versions = set(specifier.filter([file.distribution.version for file in files]))
        return [file for file in files if file.distribution.version in versions]

    def leads_to(self, need: str) -> list[tuple[File, Node]]:
        """List whose needs a requirement brings in turn: where the lock has it, that is what clients get, else any."""
        if need not in self._leads:
            met = self.meets(need)
            files = list(filter(self.is_own, met)) or met
            self._leads[need] = [one for extra in extras(need) for one in self._nodes(files, extra)]
        return self._leads[need]

    def _nodes(self, files: Sequence[File], extra: str) -> list[tuple[File, Node]]:
        """Pair files with an extra; where some of them have all that it needs, these are what a client takes."""
        whole = [file for file in files if all(map(self.meets, self.needs(file, extra)))] if extra else []
        return [(file, Node(file.distribution.filename, extra)) for file in whole or files]

    def needs(self, file: File, extra: str) -> list[str]:
        """List what a file needs on the target: without an extra what it always does, with one what that adds."""
        node = Node(file.distribution.filename, extra)
        if node not in self._needs:
            self._needs[node] = [need for need in file.distribution.requires_dist if self._adds(parse(need), extra)]
        return self._needs[node]

    def _adds(self, need: Requirement, extra: str) -> bool:
        return self.holds(need.marker, extra) and not (extra and self.holds(need.marker))


@cache
def extras(need: str) -> list[str]:
    """List whose dependencies a requirement asks for: the project's own, "", and those of its extras."""
    return ["", *sorted(map(canonicalize_name, parse(need).extras))]


def missing(served: Served, roots: Sequence[Line], files: Sequence[File]) -> Iterator[Missing]:
    """Yield what nothing meets, from the requirements to all that they need, then from the lock's other files."""
    seen: set[Node] = set()
    yield from (Missing((), need, line.where) for line in roots if not served.meets(need := str(line.requirement)))
    asked = [one for line in roots for one in served.leads_to(str(line.requirement))]
    rest = [(file, Node(file.distribution.filename, "")) for file in served.pins(files)]
    yield from _walk(served, asked, seen)
    yield from _walk(served, rest, seen)


def _walk(served: Served, start: Iterable[tuple[File, Node]], seen: set[Node]) -> Iterator[Missing]:
    todo: deque[tuple[tuple[Node, ...], File]] = deque(((node,), file) for file, node in start)
    while todo:
        chain, file = todo.popleft()
        if chain[-1] in seen:
            continue
        seen.add(chain[-1])
        for need in served.needs(file, chain[-1].extra):
            if not served.meets(need):
                yield Missing(chain, need)
            own = file.distribution.version if _project(need) == file.distribution.name else None
            for one, node in served.leads_to(need):
                # What a project needs of itself, such as its other extras, is of the same version.
                if node not in seen and own in {None, one.distribution.version}:
                    todo.append(((*chain, node), one))


def first_choice(served: Served, asked: Sequence[str]) -> str:
    """Take the best file for each need as it comes: "solved" is a proof that there is a full solution.

    "missing": a need is met by nothing. "conflict": two needs of a project were met by no file that both accept, and
    that a resolver may get round by other files of those that have the needs.
    """
    known: dict[str, list[str]] = {}
    for _ in range(_MOST_CHOICES):
        try:
            return "missing" if _choose(served, asked, known) else "solved"
        except _ConflictError as conflict:
            # The file was chosen before this need was known.
            known.setdefault(_project(conflict.need), []).append(conflict.need)
    return "conflict"


class _ConflictError(Exception):
    def __init__(self, need: str) -> None:
        self.need = need


def _choose(served: Served, asked: Sequence[str], known: Mapping[str, Sequence[str]]) -> str | None:
    """Choose a file for each project, one that meets the needs that are known; returns a need that nothing meets."""
    chosen: dict[str, File] = {}
    seen: set[Node] = set()
    todo = deque(asked)
    while todo:
        need = todo.popleft()
        project, met = _project(need), served.meets(need)
        if not met:
            return need
        if project not in chosen:
            best = (file for file in met if all(file in served.meets(other) for other in known.get(project, ())))
            chosen[project] = next(best, met[0])
        if chosen[project] not in met:
            raise _ConflictError(need)
        for extra in extras(need):
            if (node := Node(chosen[project].distribution.filename, extra)) not in seen:
                seen.add(node)
                todo.extend(served.needs(chosen[project], extra))
    return None
