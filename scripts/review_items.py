"""Both sides, evidence -> the items of a review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.version import Version

from scripts import (
    change,
    compared,
    evidence,
    lock_check,
    review_advisories,
    review_changes,
    review_drift,
    review_files,
    review_inside,
    review_told,
    review_waivers,
)
from scripts.advisories import Audit
from scripts.change import Change
from scripts.compared import Context
from scripts.finding import Chains
from scripts.item import Item
from scripts.review_sides import Sides
from scripts.root import Root
from scripts.told import Asked
from scripts.upstream import Upstream

# Where the policy names no other limits.
_MOST_MB, _YOUNG_DAYS = 100, 14
_MB = 10**6


def drift_items(sides: Sides) -> Iterator[Item]:
    """Yield what changed but the pins."""
    yield from review_drift.unloaded(sides.problems)
    yield from review_drift.unreadable(sides.head)
    try:
        yield from review_drift.stale(lock_check.problems(sides.settings) if sides.settings else {})
    except SystemExit as error:  # a lock whose digests hold, though it is none
        yield from review_drift.unloaded(str(error).splitlines())
    yield from review_drift.tools(sides.base, sides.head)
    yield from review_drift.targets(sides.base, sides.head)
    yield from review_drift.settings(*sides.settings_texts)
    yield from review_waivers.items(*sides.waivers, sides.head, sides.as_of.date())


def _had(sides: Sides) -> dict[str, set[Version]]:
    had: dict[str, set[Version]] = {}
    for lock in sides.base.values():
        for name, blocks in lock.projects.items():
            had.setdefault(name, set()).update(blocks)
    return had


def _before(sides: Sides) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for lock in sides.base.values():
        for name, blocks in lock.projects.items():
            found[name] = found.get(name, frozenset()).union(*(block.hashes for block in blocks.values()))
    return found


def _asked(changes: Sequence[Change], before: Mapping[str, frozenset[str]], sides: Sides) -> Asked:
    """Ask for what came and for what that is compared with; of what only went nobody needs to know more."""
    files: dict[str, set[str]] = {}
    for one in changes:
        if one.new:
            files.setdefault(one.project, set()).update(one.new | compared.former(one, before))
    most = sides.policy.max_file_mb.limit if sides.policy.max_file_mb.is_on else _MOST_MB
    return Asked(files, sides.private, most * _MB, sides.in_house.wheels)


def _context(sides: Sides, found: evidence.Evidence, before: Mapping[str, frozenset[str]]) -> Context:
    young = sides.policy.min_age_days.limit if sides.policy.min_age_days.is_on else _YOUNG_DAYS
    waivers = [one for one in sides.waivers[1] if one.expires >= sides.as_of.date()]
    return Context(found, before, sides.moments, sides.as_of, young, sides.private, sides.marked, waivers)


class _Known(NamedTuple):
    """What all changes are looked at with."""

    sides: Sides
    context: Context
    had: review_advisories.Had
    audit: Audit
    why: Chains
    names: Mapping[str, str]


def _item(one: Change, known: _Known) -> Item:
    pair = compared.compared(one, known.context)
    facts = [
        *review_changes.basic_facts(one, known.why),
        *review_told.facts(pair),
        *review_files.facts(pair),
        *review_inside.facts(pair),
        *review_advisories.facts(one, known.had, known.audit),
        *review_waivers.facts(pair),
    ]
    unchecked = (
        *review_told.unchecked(pair),
        *review_files.unchecked(pair),
        *review_inside.unchecked(pair),
        *review_advisories.unchecked(one, known.audit),
    )
    every = known.sides.base if one.kind in {"removed", "lost"} else known.sides.head
    facts = [review_waivers.excused(fact, pair) for fact in facts]
    item = review_changes.item(one, every, facts, unchecked if one.new else ())
    return item._replace(hashes=tuple(review_changes.hash_lines(one, known.names)))


def change_items(
    sides: Sides, root: Root, upstream: Upstream, environment: Mapping[str, str]
) -> tuple[list[Item], list[str]]:
    """Return an item for each change of pins, and why not everything about them could be checked."""
    changes, before, had = change.compare(sides.base, sides.head), _before(sides), _had(sides)
    found = evidence.gather(root, upstream, _asked(changes, before, sides))
    audit, reasons = review_advisories.audit(changes, had, sides.policy.vulnerabilities, sides.private, environment)
    names = {sha256: file.filename for sha256, file in found.files.items()}
    known = _Known(sides, _context(sides, found, before), had, audit, sides.why, names)
    pairs = [(one, _item(one, known)) for one in changes]
    return list(review_changes.folded(pairs, sides.head)), [*map(str, found.reasons), *reasons]
