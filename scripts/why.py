"""Locks, requirements -> chains: why a project is here, from what needs it up to the line that somebody wrote.

pip-compile writes below each pin which projects or files asked for it (`# via`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name

from scripts import locks
from scripts.locks import Key
from scripts.requirements import Line, RequirementSet


class Chain(NamedTuple):
    """One way from a project up to a requirement: the set, the projects, the requirement's place, text and comment.

    projects begins with the project itself; the last one is what the requirement names.
    """

    set_name: str
    projects: tuple[str, ...]
    where: str
    requirement: str
    comment: str


def _vias(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (project, what asked for it) of a lock: another project, or `-r file`."""
    for block in locks.blocks(locks.read_body(path)):
        name = canonicalize_name(re.split(r"[\[=]", block, maxsplit=1)[0])
        yield from ((name, via) for via in locks.vias(block))


def _parents(keys: Iterable[Key]) -> dict[str, set[str]]:
    """Map each project of a set to the projects that need it on any target."""
    parents: dict[str, set[str]] = {}
    for key in keys:
        for name, via in _vias(key.path):
            asking = set() if via.startswith("-") else {canonicalize_name(via)}
            parents.setdefault(name, set()).update(asking)
    return parents


def _ways_up(project: str, parents: Mapping[str, set[str]], required: set[str]) -> Iterator[tuple[str, ...]]:
    """Yield the shortest way from a project to each required one that brings it, the shortest first."""
    todo: deque[tuple[str, ...]] = deque([(project,)])
    seen = {project}
    while todo:
        way = todo.popleft()
        if way[-1] in required:
            yield way
        for parent in sorted(parents.get(way[-1], set()) - seen):
            seen.add(parent)
            todo.append((*way, parent))


def _lines(one: RequirementSet) -> dict[str, list[Line]]:
    """Map each project that a set names to its requirements."""
    lines: dict[str, list[Line]] = {}
    for line in one.lines:
        lines.setdefault(line.name, []).append(line)
    return lines


def chains(sets: Iterable[RequirementSet], keys: Iterable[Key]) -> dict[str, list[Chain]]:
    """Say for each project of the locks of keys why it is there, the shortest way first."""
    found: dict[str, list[Chain]] = {}
    every = list(keys)
    for one in sets:
        parents = _parents(key for key in every if key.set_name == one.name)
        lines = _lines(one)
        for project in parents:
            ways = _ways_up(project, parents, set(lines))
            found.setdefault(project, []).extend(_chain(one, way, line) for way in ways for line in lines[way[-1]])
    return found


def chains_of(project: str, sets: Iterable[RequirementSet], key: Key) -> list[Chain]:
    """Say of one project of one lock why it is there, the shortest way first."""
    found = []
    for one in sets:
        if one.name == key.set_name:
            lines = _lines(one)
            ways = _ways_up(project, _parents([key]), set(lines))
            found += [
                _chain(one, way, line) for way in ways for line in lines[way[-1]] if line.holds(key.target.environment)
            ]
    return found


def _chain(one: RequirementSet, way: tuple[str, ...], line: Line) -> Chain:
    return Chain(one.name, way, line.where, line.text, line.comment)
