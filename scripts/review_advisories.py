"""Changes -> the advisories that they introduce, fix and leave, as the service of the rule `vulnerabilities` tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.version import Version

from scripts import advisories
from scripts.advisories import Advisory, Audit
from scripts.change import Change
from scripts.compared import listed
from scripts.item import Fact, Topic, plain, red
from scripts.rules import Rule
from scripts.texts import quoted

OFF = "advisories: the rule `vulnerabilities` is off"


# The versions of each project that were in any lock.
Had = Mapping[str, Collection[Version]]


def _before(change: Change, had: Had) -> Collection[Version]:
    """Return what the versions that came are compared with; a target that is gained has what the others had."""
    return had.get(change.project, ()) if change.kind == "gained" else change.before


def audit(
    changes: Sequence[Change], had: Had, rule: Rule, private: Collection[str], environment: Mapping[str, str]
) -> tuple[Audit, list[str]]:
    """Ask for the advisories of all that came and went; returns what is known, and why that is not all."""
    if not rule.is_on:
        return Audit({}, {}), [OFF] if changes else []
    pins = {
        (one.project, str(version))
        for one in changes
        if one.project not in private
        for version in (*_before(one, had), *one.after)
    }
    found = advisories.find(pins, rule.service, rule.url, environment)
    return found, [f"advisories: {quoted(text)}" for text in sorted(set(found.unchecked.values()))]


def _of(change: Change, versions: Collection[Version], found: Audit) -> dict[str, Advisory]:
    pins = ((change.project, str(version)) for version in versions)
    return {one.id: one for pin in pins for one in found.checked.get(pin, [])}


def _told(one: Advisory) -> str:
    """Return an advisory as one line; what others wrote in it is quoted."""
    fix = f", fixed in {listed(one.fix_versions)}" if one.fix_versions else ", which no version fixes"
    names = quoted(one.id) + (f" ({listed(one.aliases, 3)})" if one.aliases else "")
    return f"{names}{fix}" + (f": {quoted(one.summary)}" if one.summary else "")


def facts(change: Change, had: Had, found: Audit) -> Iterator[Fact]:
    """Yield each advisory that the change introduces, and the numbers of those that it fixes and leaves."""
    old, new = _of(change, _before(change, had), found), _of(change, change.after, found)
    for one in (new[name] for name in sorted(new.keys() - old.keys())):
        yield red(Topic.ADVISORIES, f"introduces {_told(one)}", "vulnerabilities", (one.id, *one.aliases))
    for verb, names in (("fixes", old.keys() - new.keys()), ("leaves", old.keys() & new.keys())):
        if names:
            yield plain(Topic.ADVISORIES, f"{verb} {listed(frozenset(names))}")


def unchecked(change: Change, found: Audit) -> Iterator[str]:
    """Name advisories where it is not known which there are."""
    if any((change.project, str(version)) in found.unchecked for version in (*change.before, *change.after)):
        yield "advisories"
