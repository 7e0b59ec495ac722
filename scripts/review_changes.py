"""Changes of locks -> items: what became of each project, for whom, and by which requirement it is here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.utils import is_normalized_name
from packaging.version import Version

from scripts import target_names
from scripts.change import Change
from scripts.finding import Chains
from scripts.item import Fact, Item, Severity, Topic, plain, red, yellow
from scripts.locks import Key
from scripts.people import count
from scripts.texts import few, quoted

_MOST_VIAS = 3


def versions(found: Sequence[Version]) -> str:
    """Write versions, the oldest first."""
    return ", ".join(map(str, found))


def for_whom(keys: Collection[Key], every: Collection[Key]) -> str:
    """Name locks by their targets, folded; set names only where there are several."""
    if set(keys) == set(every):
        return "every lock" if len(every) > 1 else ""
    sets: dict[str, list[Key]] = {}
    for key in keys:
        sets.setdefault(key.set_name, []).append(key)
    several = len({key.set_name for key in every} | set(sets)) > 1
    named = {
        name: "; ".join(target_names.folded(key.target for key in of_set)) for name, of_set in sorted(sets.items())
    }
    return "; ".join(f"{quoted(name)}: {targets}" if several else targets for name, targets in named.items())


def _title(change: Change, every: Collection[Key]) -> str:
    name, old, new = f"**{change.project}**", versions(change.before), versions(change.after)
    what = {
        "rehashed": f"{name} {new}: same version, changed hashes",
        "vanished": f"{name} {new}: hashes that vanished",
        "downgraded": f"{name} {old} → {new}, a downgrade",
        "upgraded": f"{name} {old} → {new}",
        "added": f"{name} {new}, new",
        "removed": f"{name} {old}, removed",
        "gained": f"{name} {new}, gained",
        "lost": f"{name} {old}, lost",
    }[change.kind]
    where = for_whom(change.keys, every)
    return f"{what} ({where})" if where else what


def _asked_by(change: Change) -> str:
    names = [quoted(via) for via in sorted(change.vias)]
    verb = "via" if change.after else "was here via"
    return f"{verb} {few(names, _MOST_VIAS)}" if names else ""


def _shown(project: str) -> str:
    """Return a project's name; what a lock that was edited has in such a place may be any text."""
    return project if is_normalized_name(project) else quoted(project)


def why(change: Change, chains: Chains) -> str:
    """Say by which requirement a project is here, or was, and whether that names it."""
    sets = {key.set_name for key in change.keys}
    found = [chain for chain in chains.get(change.project, ()) if chain.set_name in sets]
    if change.kind in {"removed", "lost"} or not found:
        return _asked_by(change)
    more = f" and {count(len(found) - 1, 'other way')}" if found[1:] else ""
    asked = f"{quoted(found[0].where)} ({quoted(found[0].requirement)})"
    if len(found[0].projects) == 1:
        return f"direct, {asked}{more}"
    return f"via {' → '.join([asked, *map(_shown, reversed(found[0].projects))])}{more}"


def basic_facts(change: Change, chains: Chains) -> Iterator[Fact]:
    """Yield what the locks alone tell."""
    if change.kind == "rehashed":
        what = "the bytes of an approved release changed" if change.old else "further bytes of an approved release"
        yield red(Topic.HASHES, f"{what}: {len(change.new)} new, {len(change.old)} gone")
    if change.kind == "vanished":
        yield yellow(Topic.HASHES, "files of an approved release are approved no more")
    if change.kind == "downgraded":
        yield yellow(Topic.CHANGE, "an older version than before")
    if text := why(change, chains):
        yield plain(Topic.CHANGE, text)


def hash_lines(change: Change, names: Mapping[str, str]) -> Iterator[str]:
    """Yield each hash that came or went, with the file's name where it is known."""
    for sign, hashes in (("-", change.old), ("+", change.new)):
        for sha256 in sorted(hashes, key=lambda each: (names.get(each, ""), each)):
            yield f"{sign} {sha256} {names.get(sha256) or change.project}"


def item(change: Change, every: Collection[Key], facts: Sequence[Fact], unchecked: Sequence[str] = ()) -> Item:
    """Return the item of a change; every are all locks of its side."""
    return Item(change.kind, (change.project,), _title(change, every), tuple(sorted(facts)), tuple(unchecked))


def _fold(kind: str, keys: Collection[Key], group: Sequence[tuple[Change, Item]], every: Collection[Key]) -> Item:
    names = ", ".join(f"{one.project} {versions(one.after or one.before)}" for one, _ in group)
    where = for_whom(keys, every)
    unchecked = dict.fromkeys(topic for _, item in group for topic in item.unchecked)
    return Item(
        kind,
        tuple(one.project for one, _ in group),
        f"{count(len(group), 'project')} {kind}" + (f" ({where})" if where else ""),
        (plain(Topic.TARGETS, names),),
        tuple(unchecked),
        tuple(line for _, item in group for line in item.hashes),
    )


def folded(found: Sequence[tuple[Change, Item]], every: Collection[Key]) -> Iterator[Item]:
    """Yield the items; those that only came to the same targets, or left them, are one where nothing is amiss."""
    groups: dict[tuple[str, tuple[Key, ...]], list[tuple[Change, Item]]] = {}
    for change, item in found:
        if change.kind in {"gained", "lost"} and item.severity == Severity.PLAIN:
            groups.setdefault((change.kind, change.keys), []).append((change, item))
        else:
            yield item
    for (kind, keys), group in groups.items():
        yield _fold(kind, keys, group, every) if group[1:] else group[0][1]
