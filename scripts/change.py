"""Two sets of locks -> what became of each project, equal changes of many locks in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.version import Version

from scripts import locks
from scripts.locks import Key

# The kinds, in the order in which they are told.
KINDS = ("rehashed", "vanished", "downgraded", "added", "upgraded", "gained", "lost", "removed")


class Block(NamedTuple):
    """A version of a project in one lock: its hashes, and what asked for it, a project or `-r file`."""

    hashes: frozenset[str]
    vias: tuple[str, ...]
    is_first_party: bool


Blocks = Mapping[Version, Block]


class Lock(NamedTuple):
    """One lock: the fields of its header, what it pins, and what in it is no pin."""

    fields: Mapping[str, str]
    projects: Mapping[str, Blocks]
    problems: tuple[str, ...] = ()


Locks = Mapping[Key, Lock]


class Change(NamedTuple):
    """What became of a project in the locks of keys: versions and hashes before and after, without what stayed.

    kind: `rehashed` (the same version, other hashes), `vanished` (it lost hashes), `upgraded`, `downgraded`, `added`,
    `removed`, and `gained` and `lost`: the project is in other locks, too, and came to these or left them.
    vias are what asked for it: of what is removed or lost, what did.
    """

    project: str
    kind: str
    before: tuple[Version, ...]
    after: tuple[Version, ...]
    keys: tuple[Key, ...] = ()
    old: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()
    vias: frozenset[str] = frozenset()


def parse(text: str) -> Lock:
    """Read a lock; what in it is no pin is a problem of its own, and the rest is read all the same."""
    fields, body = locks.split(text)
    found = list(locks.blocks(body))
    projects: dict[str, dict[Version, Block]] = {}
    problems = [] if "".join(found) == body else ["it holds lines that belong to no pin"]
    for block in found:
        try:
            pins = list(locks.parse_block(block))
        except ValueError as error:
            problems.append(str(error))
            continue
        hashes, is_ours = frozenset(pin.sha256 for pin in pins), locks.FIRST_PARTY in block.splitlines()
        projects.setdefault(pins[0].name, {})[pins[0].version] = Block(hashes, tuple(locks.vias(block)), is_ours)
    return Lock(fields, projects, tuple(problems))


def _hashes(blocks: Blocks, versions: set[Version]) -> frozenset[str]:
    return frozenset[str]().union(*(blocks[version].hashes for version in versions))


def _same_versions(project: str, key: Key, old: Blocks, new: Blocks) -> Iterator[Change]:
    for version in old.keys() & new.keys():
        gone, come = old[version].hashes - new[version].hashes, new[version].hashes - old[version].hashes
        if gone or come:
            kind = "rehashed" if come else "vanished"
            vias = frozenset(new[version].vias)
            yield Change(project, kind, (version,), (version,), (key,), gone, come, vias)


def _kind(gone: set[Version], come: set[Version], is_elsewhere: bool) -> str:
    if gone and come:
        return "upgraded" if max(come) > max(gone) else "downgraded"
    if come:
        return "gained" if is_elsewhere else "added"
    return "lost" if is_elsewhere else "removed"


def _in_lock(project: str, key: Key, old: Blocks, new: Blocks, is_elsewhere: bool) -> Iterator[Change]:
    yield from _same_versions(project, key, old, new)
    gone, come = set(old.keys() - new.keys()), set(new.keys() - old.keys())
    if gone or come:
        # A lock that keeps another version of the project gains or loses no target.
        kind = _kind(gone, come, is_elsewhere and not (old and new))
        vias = frozenset(via for one in (come or gone) for via in (new if come else old)[one].vias)
        hashes = _hashes(old, gone), _hashes(new, come)
        yield Change(project, kind, tuple(sorted(gone)), tuple(sorted(come)), (key,), *hashes, vias)


def _of_project(project: str, base: Locks, head: Locks) -> Iterator[Change]:
    old, new = ({key: lock.projects.get(project, {}) for key, lock in side.items()} for side in (base, head))
    is_elsewhere = any(old.values()) and any(new.values())
    for key in sorted(old.keys() | new.keys(), key=str):
        yield from _in_lock(project, key, old.get(key, {}), new.get(key, {}), is_elsewhere)


def _folded(changes: Iterator[Change]) -> Iterator[Change]:
    found: dict[tuple[object, ...], Change] = {}
    for one in changes:
        same = found.get(one[:4])
        found[one[:4]] = one if same is None else Change(*one[:4], same.keys + one.keys, *_united(same, one))
    yield from found.values()


def _united(one: Change, other: Change) -> Iterator[frozenset[str]]:
    return (mine | theirs for mine, theirs in zip(one[5:], other[5:], strict=True))


def compare(base: Locks, head: Locks) -> list[Change]:
    """Return the changes from base to head, sorted by what they are and by project."""
    names = sorted({name for side in (base, head) for lock in side.values() for name in lock.projects})
    found = [change for name in names for change in _folded(_of_project(name, base, head))]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.project, one.before, one.after))
