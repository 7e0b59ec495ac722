"""Two sets of locks, packages.yaml, waivers.yaml -> items: what changed but the pins, and whether it holds together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.change import Locks
from scripts.item import Item, Topic, plain, red, yellow
from scripts.locks import Key
from scripts.review_changes import for_whom
from scripts.texts import few, quoted

# What decides which files may come in; the other keys say for whom.
_STRICT = ("allow_sdists", "closure", "denied", "first_party", "policy", "resolve_deps")
_ABSENT = object()


def stale(problems: Mapping[Path, str]) -> Iterator[Item]:
    """Yield what `make lock-check` says of the locks, equal words of several in one."""
    by_text: dict[str, list[Path]] = {}
    for path, text in problems.items():
        by_text.setdefault(text, []).append(path)
    for text, paths in by_text.items():
        names = few(list(map(quoted, sorted(paths))), 3)
        yield Item("drift", (), names, (red(Topic.DRIFT, quoted(text, 500)),))


def unreadable(head: Locks) -> Iterator[Item]:
    """Yield the locks in which not every line is a pin."""
    for key, lock in head.items():
        if lock.problems:
            facts = tuple(red(Topic.DRIFT, quoted(problem)) for problem in lock.problems)
            yield Item("drift", (), quoted(key.path), facts)


def _moved(base: Locks, head: Locks, field: str) -> Iterator[tuple[str, str, list[Key]]]:
    """Yield old value, new value and the locks in which a field of the header changed."""
    found: dict[tuple[str, str], list[Key]] = {}
    for key in sorted(base.keys() & head.keys(), key=str):
        values = base[key].fields.get(field, "none"), head[key].fields.get(field, "none")
        if values[0] != values[1]:
            found.setdefault(values, []).append(key)
    yield from ((*values, keys) for values, keys in sorted(found.items()))


def tools(base: Locks, head: Locks) -> Iterator[Item]:
    """Yield with which other versions of the tools the locks were made."""
    for old, new, keys in _moved(base, head, "tools"):
        where = for_whom(keys, head)
        fact = yellow(Topic.DRIFT, f"made with {quoted(new)}, before with {quoted(old)}")
        yield Item("tools", (), "the tools that lock" + (f" ({where})" if where else ""), (fact,))


def targets(base: Locks, head: Locks) -> Iterator[Item]:
    """Yield the locks that came and went as a whole."""
    for kind, keys in (("gained", head.keys() - base.keys()), ("lost", base.keys() - head.keys())):
        if keys:
            fact = yellow(Topic.TARGETS, f"{len(keys)} {'lock' if len(keys) == 1 else 'locks'} {kind}")
            yield Item("targets", (), f"targets {kind}: {for_whom(keys, ())}", (fact,))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(below, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, value


def _parsed(text: str) -> dict[str, Any]:
    try:
        return dict(_flat(yaml.safe_load(text) or {}))
    except (yaml.YAMLError, RecursionError):
        return {"the file": "no YAML"}


def _difference(old: object, new: object) -> str:
    old, new = ([] if one is _ABSENT and isinstance(other, list) else one for one, other in ((old, new), (new, old)))
    if isinstance(old, list) and isinstance(new, list):
        parts = [
            f"{sign} {quoted(each)}"
            for sign, ones, others in (("−", old, new), ("+", new, old))
            for each in ones
            if each not in others
        ]
        return ", ".join(parts) or "another order"
    shown = ["not there" if each is _ABSENT else quoted(each) for each in (old, new)]
    return f"{shown[0]} → {shown[1]}"


def settings(old: str, new: str) -> Iterator[Item]:
    """Yield each key of packages.yaml whose value changed."""
    before, after = _parsed(old), _parsed(new)
    for name in sorted(before.keys() | after.keys()):
        values = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if repr(values[0]) != repr(values[1]):  # YAML can have a list that holds itself, and cannot be compared
            fact = yellow if name.partition(".")[0] in _STRICT else plain
            text = _difference(*values)
            yield Item("settings", (), f"packages.yaml: {quoted(name)}", (fact(Topic.DRIFT, text),))


def unloaded(problems: Sequence[str]) -> Iterator[Item]:
    """Yield what is wrong with a file that people write."""
    for problem in problems:
        yield Item("drift", (), "the settings", (red(Topic.DRIFT, quoted(problem, 500)),))
